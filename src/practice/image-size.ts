/** Side of the policy's images in pixels: the table's cameras draw them of that size, so that nothing is resized. */
export const IMAGE_SIZE = 84;
