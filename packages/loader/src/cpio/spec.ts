/** cpio "newc" (SVR4 without CRC): Linux Documentation/driver-api/early-userspace/buffer-format.rst; file type bits: POSIX sys/stat.h. */
export const MAGIC = '070701'
export const TRAILER = 'TRAILER!!!'
/** Magic, then 13 fields of 8 hexadecimal digits. */
export const HEADER_SIZE = 110
export const FIELDS = [
  'ino', 'mode', 'uid', 'gid', 'nlink', 'mtime', 'filesize', 'devmajor', 'devminor', 'rdevmajor', 'rdevminor', 'namesize', 'check'
] as const
export const ALIGNMENT = 4
/** PATH_MAX of Linux, with the zero. */
export const MAX_NAME = 4096

export const S_IFMT = 0o170000
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFDIR = 0o040000
export const S_IFBLK = 0o060000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
