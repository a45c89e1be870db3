import { useEffect, useRef } from 'react';
import { useSeen, type SeenFrames } from './seen-frames.ts';

interface Props {
  frames: SeenFrames;
  /** What is said before there is a picture. */
  waiting: string;
  index: number;
  label: string;
  size: { width: number; height: number };
}

/** The picture that goes into the network, pixel for pixel. */
export function SeenCanvas({ frames, waiting, index, label, size }: Props) {
  const image = useSeen(frames, index);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!image) return;
    const context = canvas.current?.getContext('2d');
    context?.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  }, [image]);
  if (!image) return <div className="view view-empty">{waiting}</div>;
  return (
    <div className="view">
      <canvas
        ref={canvas}
        width={image.width || size.width}
        height={image.height || size.height}
        role="img"
        aria-label={`${label} as the model sees it`}
      />
    </div>
  );
}
