/** How long a signed address of a bucket can be used. */
export const SIGNED_SECONDS = 3600;
