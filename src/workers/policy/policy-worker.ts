/** The worker that owns the device, the policy and the stored packages. One per page. */
import * as Comlink from 'comlink';
import { browserSurroundings } from '../browser-surroundings.ts';
import { PolicyHost } from './policy-host.ts';
import { installErrorTransfer, offered } from '../boundary/transfer.ts';

installErrorTransfer();
Comlink.expose(offered(new PolicyHost(browserSurroundings())));
