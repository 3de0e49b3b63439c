/** What the kernel exports. ../../testing/ holds its twin in TypeScript, equal to it bit for bit. */
export { dots, squaredDistances } from './exact';
export { rotate } from './rotation';
export { encodeRow, decodeRow, addRow, fineScores, rowsWithoutCode, toSevenBits } from './rows';
export { prepareQuery } from './query';
export { encodeBase, encodeCode, moveCode, clearCode } from './codes';
export { project, addProducts, encodeShort, moveShort, clearShort, scanShort } from './short';
export { scanChain, glance, rescore } from './scan';
export { scoreCentroids, nearestFour } from './centroids';
