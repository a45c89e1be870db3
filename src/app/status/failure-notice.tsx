import type { ReactNode } from 'react';
import { failureTitle, type Failure } from './failure.ts';

interface Props {
  failure: Failure;
  /** Buttons: what the user can do about it here. */
  children?: ReactNode;
}

/** A failure in the page's words: its kind, what was found, what to do, and the buttons that do it. */
export function FailureNotice({ failure, children }: Props) {
  return (
    <div
      className={failure.code === 'cancelled' ? 'notice notice-calm' : 'notice'}
      role="alert"
      data-code={failure.code}
    >
      <h3>{failureTitle(failure.code)}</h3>
      <p>{failure.message}</p>
      {failure.hint && <p className="notice-hint">{failure.hint}</p>}
      {children && <div className="actions">{children}</div>}
    </div>
  );
}
