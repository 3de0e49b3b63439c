/** The error of every layer; the table of codes is the client's, so that both sides share one. */
export { ERRORS, StrongroomError, isErrorCode } from '@strongroom/client';
export type { ErrorCode, ErrorOptions, Fault } from '@strongroom/client';
