import { useEffect, useRef } from 'react';
import type { RawImage } from '../../workers/boundary/contract.ts';

/** A recorded frame, pixel for pixel. */
export function FrameCanvas({ image, label }: { image: RawImage; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    canvas.current
      ?.getContext('2d')
      ?.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  }, [image]);
  return <canvas ref={canvas} width={image.width} height={image.height} role="img" aria-label={label} />;
}
