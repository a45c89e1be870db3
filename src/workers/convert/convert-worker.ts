/** The worker that makes packages of checkpoints. It knows nothing of the policy that runs. */
import * as Comlink from 'comlink';
import { browserConvert } from './browser-convert.ts';
import { ConvertHost } from './convert-host.ts';
import { installErrorTransfer, offered } from '../boundary/transfer.ts';

installErrorTransfer();
Comlink.expose(offered(new ConvertHost(browserConvert)));
