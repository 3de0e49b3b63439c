/** What the kernel exports. ../../testing/ holds its twin in TypeScript, equal to it bit for bit. */
export { dots, squaredDistances } from './exact';
export { rotate } from './rotation';
export { encodeRow, decodeRow, addRow, fineScores, toSevenBits } from './rows';
export { prepareQuery } from './query';
export { encodeBase, encodeCode, moveCode, clearCode } from './codes';
export { project, addProducts, encodeShort, moveShort, clearShort, scanShort } from './short';
export { scanChain, rescore } from './scan';
export { scoreCentroids, nearestFour } from './centroids';
