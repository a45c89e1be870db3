import type { ReactNode } from 'react';
import { failureTitle, type Failure } from './failure.ts';

interface Props {
  failure: Failure;
  /** In place of the title of this kind of failure, where the page knows better what it means here. */
  title?: string | undefined;
  /** Buttons: what the user can do about it here. */
  children?: ReactNode;
}

/** A failure in the page's words: its kind, what was found, what to do, and the buttons that do it. */
export function FailureNotice({ failure, title, children }: Props) {
  return (
    <div
      className={failure.code === 'cancelled' ? 'notice notice-calm' : 'notice'}
      role="alert"
      data-code={failure.code}
    >
      <h3>{title ?? failureTitle(failure.code)}</h3>
      <p>{failure.message}</p>
      {failure.hint && <p className="notice-hint">{failure.hint}</p>}
      {children && <div className="actions">{children}</div>}
    </div>
  );
}
