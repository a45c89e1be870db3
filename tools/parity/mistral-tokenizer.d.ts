declare module 'mistral-tokenizer-js' {
  const tokenizer: { readonly vocabById: string[]; readonly merges: Map<string, number> };
  export default tokenizer;
}
