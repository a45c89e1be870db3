/**
 * The folder that the built page lies in, with a slash at its end: `https://host.example/`, or a sub-folder of a host. Known from where this
 * script came from, because the page's own address may be deeper: `/s/<id>` is the page too.
 */
export function pageRoot(): URL {
  // Vite would take a literal for a file to be bundled. Built scripts lie in `assets/`.
  const script = import.meta.url;
  return import.meta.env.DEV ? new URL('/', location.href) : new URL('../', script);
}
