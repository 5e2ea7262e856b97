/** Numbers of 9P2000.L: https://github.com/chaos/diod/blob/master/protocol.md; device: virtio 1.2, 5 (device type 9). */

export const VIRTIO_ID_9P = 9
/** The configuration holds the mount tag: le16 length, then its bytes without a terminator. */
export const VIRTIO_9P_F_MOUNT_TAG = 0
export const VERSION_9P2000_L = '9P2000.L'

/** T-messages; the answer's type is one more. */
export const TSTATFS = 8
export const TLOPEN = 12
export const TLCREATE = 14
export const TSYMLINK = 16
export const TMKNOD = 18
export const TRENAME = 20
export const TREADLINK = 22
export const TGETATTR = 24
export const TSETATTR = 26
export const TXATTRWALK = 30
export const TXATTRCREATE = 32
export const TREADDIR = 40
export const TFSYNC = 50
export const TLOCK = 52
export const TGETLOCK = 54
export const TLINK = 70
export const TMKDIR = 72
export const TRENAMEAT = 74
export const TUNLINKAT = 76
export const TVERSION = 100
export const TAUTH = 102
export const TATTACH = 104
export const TFLUSH = 108
export const TWALK = 110
export const TREAD = 116
export const TWRITE = 118
export const TCLUNK = 120
export const TREMOVE = 122
export const RLERROR = 7

/** size[4] type[1] tag[2] */
export const HEADER_BYTES = 7
/** Rread and Rreaddir: header and count[4]. */
export const READ_HEADER_BYTES: number = HEADER_BYTES + 4
/** Twrite: header, fid[4], offset[8], count[4]; what v9fs leaves room for (P9_IOHDRSZ). */
export const IO_HEADER_BYTES = 24
/** A walk has at most this many names (walk(5), MAXWELEM). */
export const MAX_WALK_NAMES = 16
export const NAME_MAX = 255
export const NONUNAME = 0xffff_ffff

export const QID_DIRECTORY = 0x80
export const QID_SYMLINK = 0x02
export const QID_FILE = 0x00

export const GETATTR_BASIC = 0x7ff

export const SETATTR_MODE: number = 1 << 0
export const SETATTR_UID: number = 1 << 1
export const SETATTR_GID: number = 1 << 2
export const SETATTR_SIZE: number = 1 << 3
export const SETATTR_ATIME: number = 1 << 4
export const SETATTR_MTIME: number = 1 << 5
export const SETATTR_ATIME_SET: number = 1 << 7
export const SETATTR_MTIME_SET: number = 1 << 8

/** Flags of lopen and lcreate: those of Linux on x86, whatever the client's architecture. */
export const O_ACCMODE = 3
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_DSYNC = 0o10000
export const O_DIRECTORY = 0o200000
export const AT_REMOVEDIR = 0x200

export const LOCK_TYPE_RDLCK = 0
export const LOCK_TYPE_WRLCK = 1
export const LOCK_TYPE_UNLCK = 2
export const LOCK_SUCCESS = 0
export const LOCK_BLOCKED = 1

/** File type bits of a mode (inode(7)). */
export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
/** Type byte of a directory entry: the file type bits, shifted (readdir(3), d_type). */
export const DT_SHIFT = 12

export const V9FS_MAGIC = 0x01021997

/** Linux error numbers on x86, by the name that both Node's errors and ours have as code. */
export const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1, ENOENT: 2, EIO: 5, ENXIO: 6, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENODEV: 19,
  ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28, EROFS: 30, EMLINK: 31, ERANGE: 34,
  ENAMETOOLONG: 36, ENOLCK: 37, ENOSYS: 38, ENOTEMPTY: 39, ELOOP: 40, ENODATA: 61, EPROTO: 71, EOVERFLOW: 75, EOPNOTSUPP: 95,
  ENOTSUP: 95, ESTALE: 116, EDQUOT: 122,
}
