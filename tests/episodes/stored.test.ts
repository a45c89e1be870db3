import { storedSuite } from './stored-suite.ts';

storedSuite();
