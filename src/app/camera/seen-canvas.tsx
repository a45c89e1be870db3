import { useEffect, useRef } from 'react';
import { useSeen } from './seen-frames.ts';

interface Props {
  index: number;
  label: string;
  size: { width: number; height: number };
}

/** The picture that goes into the network, pixel for pixel. */
export function SeenCanvas({ index, label, size }: Props) {
  const image = useSeen(index);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!image) return;
    const context = canvas.current?.getContext('2d');
    context?.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  }, [image]);
  if (!image) return <div className="view view-empty">Waiting for a camera</div>;
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
