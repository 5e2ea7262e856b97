// Numbers of the NBD protocol, from doc/proto.md of NetworkBlockDevice/nbd (May 2026). Section names are that document's.

/** "Newstyle negotiation". */
export const NBDMAGIC = 0x4e42444d41474943n
export const IHAVEOPT = 0x49484156454f5054n
/** "Fixed newstyle negotiation": magic of replies to options. */
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n
/** "Request message", "Simple reply message", "Structured reply chunk message". */
export const NBD_REQUEST_MAGIC = 0x25609513
export const NBD_SIMPLE_REPLY_MAGIC = 0x67446698
export const NBD_STRUCTURED_REPLY_MAGIC = 0x668e33ef
export const REQUEST_LENGTH = 28
export const SIMPLE_REPLY_LENGTH = 16
export const STRUCTURED_REPLY_LENGTH = 20

/** IANA's port. */
export const NBD_PORT = 10809

/** "Handshake flags" and "Client flags" have the same bits. */
export const NBD_FLAG_FIXED_NEWSTYLE = 1
export const NBD_FLAG_NO_ZEROES = 2
/** Zeroes behind the answer to NBD_OPT_EXPORT_NAME unless NO_ZEROES was agreed on. */
export const EXPORT_NAME_PADDING = 124

/** "Transmission flags". */
export const NBD_FLAG_HAS_FLAGS: number = 1 << 0
export const NBD_FLAG_READ_ONLY: number = 1 << 1
export const NBD_FLAG_SEND_FLUSH: number = 1 << 2
export const NBD_FLAG_SEND_FUA: number = 1 << 3
export const NBD_FLAG_SEND_TRIM: number = 1 << 5
export const NBD_FLAG_SEND_WRITE_ZEROES: number = 1 << 6
export const NBD_FLAG_SEND_DF: number = 1 << 7
export const NBD_FLAG_CAN_MULTI_CONN: number = 1 << 8

/** "Option types". */
export const NBD_OPT_EXPORT_NAME = 1
export const NBD_OPT_ABORT = 2
export const NBD_OPT_LIST = 3
export const NBD_OPT_STARTTLS = 5
export const NBD_OPT_INFO = 6
export const NBD_OPT_GO = 7
export const NBD_OPT_STRUCTURED_REPLY = 8
export const NBD_OPT_LIST_META_CONTEXT = 9
export const NBD_OPT_SET_META_CONTEXT = 10

/** "Option reply types". */
export const NBD_REP_ACK = 1
export const NBD_REP_SERVER = 2
export const NBD_REP_INFO = 3
export const NBD_REP_META_CONTEXT = 4
/** Bit 31 marks errors. */
export const NBD_REP_ERR = 0x80000000
export const NBD_REP_ERR_UNSUP = 0x80000001
export const NBD_REP_ERR_POLICY = 0x80000002
export const NBD_REP_ERR_INVALID = 0x80000003
export const NBD_REP_ERR_PLATFORM = 0x80000004
export const NBD_REP_ERR_TLS_REQD = 0x80000005
export const NBD_REP_ERR_UNKNOWN = 0x80000006
export const NBD_REP_ERR_SHUTDOWN = 0x80000007
export const NBD_REP_ERR_BLOCK_SIZE_REQD = 0x80000008
export const NBD_REP_ERR_TOO_BIG = 0x80000009

/** Information types of NBD_REP_INFO. */
export const NBD_INFO_EXPORT = 0
export const NBD_INFO_NAME = 1
export const NBD_INFO_DESCRIPTION = 2
export const NBD_INFO_BLOCK_SIZE = 3

/** "Request types". */
export const NBD_CMD_READ = 0
export const NBD_CMD_WRITE = 1
export const NBD_CMD_DISC = 2
export const NBD_CMD_FLUSH = 3
export const NBD_CMD_TRIM = 4
export const NBD_CMD_WRITE_ZEROES = 6
export const NBD_CMD_BLOCK_STATUS = 7

/** "Command flags". */
export const NBD_CMD_FLAG_FUA: number = 1 << 0
export const NBD_CMD_FLAG_NO_HOLE: number = 1 << 1
export const NBD_CMD_FLAG_DF: number = 1 << 2
export const NBD_CMD_FLAG_REQ_ONE: number = 1 << 3

/** "Structured reply flags" and "Structured reply types". */
export const NBD_REPLY_FLAG_DONE = 1
export const NBD_REPLY_TYPE_NONE = 0
export const NBD_REPLY_TYPE_OFFSET_DATA = 1
export const NBD_REPLY_TYPE_OFFSET_HOLE = 2
export const NBD_REPLY_TYPE_BLOCK_STATUS = 5
/** Bit 15 marks errors. */
export const NBD_REPLY_TYPE_ERROR_BIT = 0x8000
export const NBD_REPLY_TYPE_ERROR = 0x8001

/** "The base: metadata namespace". */
export const BASE_NAMESPACE = 'base:'
export const BASE_ALLOCATION = 'base:allocation'
export const NBD_STATE_HOLE = 1
export const NBD_STATE_ZERO = 2

/** "Error values". */
export const NBD_EPERM = 1
export const NBD_EIO = 5
export const NBD_EINVAL = 22
export const NBD_ENOSPC = 28
export const NBD_EOVERFLOW = 75
export const NBD_ESHUTDOWN = 108

/** Longest string, in bytes ("Values of strings": 4096). */
export const MAX_STRING = 4096
/** "Size constraints": what every peer takes in one request. */
export const DEFAULT_MAXIMUM_PAYLOAD: number = 32 << 20
/** Most extents in one chunk of a reply to NBD_CMD_BLOCK_STATUS. */
export const MAX_EXTENTS: number = 1 << 20
