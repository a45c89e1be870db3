/** The worker that owns the practice table: its physics and its drawing. Inference is another worker's. */
import * as Comlink from 'comlink';
import { browserPractice } from './browser-practice.ts';
import { PracticeHost } from './practice-host.ts';
import { installErrorTransfer, offered } from '../boundary/transfer.ts';

installErrorTransfer();
Comlink.expose(offered(new PracticeHost(browserPractice)));
