/**
 * Node can neither do an ioctl nor receive a descriptor, so the interface is held by Perl, which every Debian has: it opens the TAP device (Linux,
 * Documentation/networking/tuntap.rst, 3), or takes the one inherited as descriptor 3, and passes frames between it and its standard input and
 * output, each behind its length (32 bits, big-endian). The first record is the interface's name.
 */
export const TAP_HELPER: string = String.raw`
use strict;
use Errno qw(EAGAIN EINTR);
use Fcntl;
use constant { TUNSETIFF => 0x400454ca, TUNGETIFF => 0x800454d2, IFF_TAP => 0x0002, IFF_NO_PI => 0x1000, FULL => 1 << 20, MOST => 64 };
sub give_up { print STDERR "$_[0]: $!\n"; exit 1 }
sub nonblocking { fcntl($_[0], F_SETFL, fcntl($_[0], F_GETFL, 0) | O_NONBLOCK) or give_up('fcntl') }
my ($name) = @ARGV;
my $tap;
my $request = pack('a16 S x22', defined $name ? $name : '', IFF_TAP | IFF_NO_PI);
if (defined $name) {
  sysopen($tap, '/dev/net/tun', O_RDWR) or give_up('cannot open /dev/net/tun');
  ioctl($tap, TUNSETIFF, $request) or give_up("cannot attach to $name");
} else {
  open($tap, '+<&=', 3) or give_up('descriptor cannot be used');
  ioctl($tap, TUNGETIFF, $request) or give_up('descriptor is no tap');
  my (undef, $flags) = unpack('a16 S', $request);
  if (($flags & 0x4fff) != (IFF_TAP | IFF_NO_PI)) { $! = 0; print STDERR "descriptor needs IFF_TAP and IFF_NO_PI, without IFF_VNET_HDR\n"; exit 1 }
}
nonblocking($_) for ($tap, \*STDIN, \*STDOUT);
my $first = unpack('Z16', $request);
my ($in, $out) = ('', pack('N', length $first) . $first);
while (1) {
  my ($read, $write) = ('', '');
  vec($read, 0, 1) = 1;
  vec($read, fileno($tap), 1) = 1 if length $out < FULL;
  vec($write, 1, 1) = 1 if length $out;
  if (select($read, $write, undef, undef) < 0) { next if $! == EINTR; give_up('select') }
  if (vec($read, 0, 1)) {
    my $got = sysread(STDIN, $in, 1 << 18, length $in);
    exit 0 if defined $got ? $got == 0 : $! != EAGAIN;
    my $at = 0;
    while (length($in) - $at >= 4) {
      my $length = unpack('N', substr($in, $at, 4));
      last if length($in) - $at - 4 < $length;
      syswrite($tap, $in, $length, $at + 4);
      $at += 4 + $length;
    }
    substr($in, 0, $at, '');
  }
  if (vec($read, fileno($tap), 1)) {
    for (1 .. MOST) {
      my $got = sysread($tap, my $frame, 65550);
      last unless $got;
      $out .= pack('N', $got) . $frame;
    }
  }
  if (vec($write, 1, 1)) {
    my $put = syswrite(STDOUT, $out);
    if (defined $put) { substr($out, 0, $put, '') } elsif ($! != EAGAIN) { exit 0 }
  }
}
`
