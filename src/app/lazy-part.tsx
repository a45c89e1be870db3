/** A part of the page that is fetched when it is first asked for. One that cannot be had says so, and leaves the rest alone. */
import { Component, lazy, Suspense, type ComponentType, type ReactNode } from 'react';
import { FailureNotice } from './status/failure-notice.tsx';
import type { Failure } from './status/failure.ts';

type Load<P> = () => Promise<{ default: ComponentType<P> }>;

/** A failed import, whose message browsers word differently; anything else is a fault of the part itself. */
class NotLoaded extends Error {}

function failureOf(error: unknown): Failure {
  const { message } = error as Error;
  if (!(error instanceof NotLoaded)) {
    return { code: 'unknown', message, hint: 'Try again. Nothing else on the page is affected.' };
  }
  return navigator.onLine
    ? {
        code: 'part-missing',
        message: 'The server no longer has this part of the page: there may be a newer version of it.',
        hint: 'Try again, or reload the page. What you recorded and trained is kept.',
      }
    : {
        code: 'part-missing',
        message: 'This device is offline, and this part of the page was never loaded on it.',
        hint: 'Connect, then try again. Nothing else on the page is affected.',
      };
}

/** Styles that could not be fetched stay in the document as links without a sheet, and are not asked for again by themselves. */
async function mendStyles(): Promise<void> {
  const broken = [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')].filter(
    ({ sheet }) => sheet === null,
  );
  await Promise.all(
    broken.map(async (link) => {
      const again = link.cloneNode() as HTMLLinkElement;
      const settled = new Promise<void>((resolve, reject) => {
        again.addEventListener('load', () => resolve());
        again.addEventListener('error', () => reject(new NotLoaded(again.href)));
      });
      link.replaceWith(again);
      await settled;
    }),
  );
}

function begin<P>(load: Load<P>, again: boolean): ComponentType<P> {
  return lazy(async () => {
    try {
      if (again) await mendStyles();
      return await load();
    } catch (error) {
      throw new NotLoaded('', { cause: error });
    }
  });
}

interface Props<P> {
  readonly current: () => ComponentType<P>;
  readonly renew: () => ComponentType<P>;
  readonly waiting: ReactNode;
  readonly of: P;
}

interface State<P> {
  readonly part: ComponentType<P>;
  readonly error: unknown;
}

class Part<P extends object> extends Component<Props<P>, State<P>> {
  override state: State<P> = { part: this.props.current(), error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  readonly #again = (): void => this.setState({ part: this.props.renew(), error: null });

  override render(): ReactNode {
    const { part: Shown, error } = this.state;
    if (error !== null) {
      return (
        <FailureNotice failure={failureOf(error)}>
          <button type="button" className="button-primary" onClick={this.#again}>
            Try again
          </button>
        </FailureNotice>
      );
    }
    return (
      <Suspense fallback={this.props.waiting}>
        <Shown {...this.props.of} />
      </Suspense>
    );
  }
}

/** @param waiting what is shown until it is here */
export function lazyPart<P extends object>(
  load: Load<P>,
  waiting: ReactNode = <p className="waiting">Loading…</p>,
): ComponentType<P> {
  let part: ComponentType<P> | null = null;
  const current = (): ComponentType<P> => (part ??= begin(load, false));
  const renew = (): ComponentType<P> => (part = begin(load, true));
  return function LazyPart(props: P) {
    return <Part current={current} renew={renew} waiting={waiting} of={props} />;
  };
}
