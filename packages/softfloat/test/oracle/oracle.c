// Runs single floating-point instructions on the real CPU. Standard input: records of 56 bytes; standard output: records of 40.
// With an unmasked SSE exception the kernel sends SIGFPE; the handler steps over the instruction.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct in { uint16_t op, imm; uint32_t ctl; uint64_t a[2], b[2], c[2]; };
struct out { uint64_t r[2], s[2]; uint32_t flags, cond; };

static volatile uint64_t resume;
static void on_fpe(int sig, siginfo_t *si, void *u) {
  ucontext_t *uc = u;
  uc->uc_mcontext.gregs[REG_RIP] = resume;
  (void)sig; (void)si;
}

#define SSE(ins, ...) \
  asm volatile("lea 9f(%%rip), %%rax\n mov %%rax, %[res]\n ldmxcsr %[ctl]\n" ins "\n9: stmxcsr %[st]\n ldmxcsr %[def]" __VA_ARGS__ \
    : [res] "=m"(resume), [st] "=m"(st), [x] "+x"(x), [i] "+r"(i) : [ctl] "m"(ctl), [def] "m"(def), [y] "x"(y), [z] "x"(z) : "rax", "cc")

typedef double v2 __attribute__((vector_size(16)));
#define CASES8(M) case 0: M("0"); break; case 1: M("1"); break; case 2: M("2"); break; case 3: M("3"); break; \
  case 4: M("4"); break; case 5: M("5"); break; case 6: M("6"); break; default: M("7");
#define CASES16(M) case 0: M("0"); break; case 1: M("1"); break; case 2: M("2"); break; case 3: M("3"); break; case 4: M("4"); break; \
  case 5: M("5"); break; case 6: M("6"); break; case 7: M("7"); break; case 8: M("8"); break; case 9: M("9"); break; \
  case 10: M("10"); break; case 11: M("11"); break; case 12: M("12"); break; case 13: M("13"); break; case 14: M("14"); break; case 15: M("15"); break;
#define CASES32(M) CASES16(M) case 16: M("16"); break; case 17: M("17"); break; case 18: M("18"); break; case 19: M("19"); break; \
  case 20: M("20"); break; case 21: M("21"); break; case 22: M("22"); break; case 23: M("23"); break; case 24: M("24"); break; \
  case 25: M("25"); break; case 26: M("26"); break; case 27: M("27"); break; case 28: M("28"); break; case 29: M("29"); break; \
  case 30: M("30"); break; default: M("31");

static void sse(const struct in *q, struct out *o) {
  uint32_t ctl = q->ctl & ~0x3fu, def = 0x1f80, st = 0;
  v2 x, y, z;
  uint64_t i = 0, kind = 0;
  memcpy(&x, q->a, 16); memcpy(&y, q->b, 16); memcpy(&z, q->c, 16);
  switch (q->op) {
#define F(base, S) \
    case base + 0: SSE("add" S " %[y], %[x]"); break; \
    case base + 1: SSE("sub" S " %[y], %[x]"); break; \
    case base + 2: SSE("mul" S " %[y], %[x]"); break; \
    case base + 3: SSE("div" S " %[y], %[x]"); break; \
    case base + 4: SSE("sqrt" S " %[x], %[x]"); break; \
    case base + 5: SSE("min" S " %[y], %[x]"); break; \
    case base + 6: SSE("max" S " %[y], %[x]"); break; \
    /* x = z * y + x: the NaN order is that of vfmadd213: second, first, third operand */ \
    case base + 7: switch (q->imm & 3) { \
      case 0: SSE("vfmadd213" S " %[z], %[y], %[x]"); break; case 1: SSE("vfnmadd213" S " %[z], %[y], %[x]"); break; \
      case 2: SSE("vfmsub213" S " %[z], %[y], %[x]"); break; default: SSE("vfnmsub213" S " %[z], %[y], %[x]"); } break; \
    case base + 8: switch (q->imm & 3) { \
      case 0: SSE("vfmadd231" S " %[z], %[y], %[x]"); break; case 1: SSE("vfnmadd231" S " %[z], %[y], %[x]"); break; \
      case 2: SSE("vfmsub231" S " %[z], %[y], %[x]"); break; default: SSE("vfnmsub231" S " %[z], %[y], %[x]"); } break; \
    case base + 9: switch (q->imm & 3) { \
      case 0: SSE("vfmadd132" S " %[z], %[y], %[x]"); break; case 1: SSE("vfnmadd132" S " %[z], %[y], %[x]"); break; \
      case 2: SSE("vfmsub132" S " %[z], %[y], %[x]"); break; default: SSE("vfnmsub132" S " %[z], %[y], %[x]"); } break; \
    case base + 10: kind = 1; SSE("ucomi" S " %[y], %[x]\n pushfq\n pop %[i]"); break; \
    case base + 11: kind = 1; SSE("comi" S " %[y], %[x]\n pushfq\n pop %[i]"); break; \
    case base + 12: switch (q->imm) { CASES32(CMP##base) } break; \
    case base + 13: switch (q->imm) { CASES16(ROUND##base) } break; \
    case base + 14: kind = 2; SSE("cvt" S "2si %[x], %k[i]"); break; \
    case base + 15: kind = 2; SSE("cvtt" S "2si %[x], %k[i]"); break; \
    case base + 16: kind = 2; SSE("cvt" S "2si %[x], %[i]"); break; \
    case base + 17: kind = 2; SSE("cvtt" S "2si %[x], %[i]"); break; \
    case base + 18: i = q->a[0]; SSE("cvtsi2" S "l %k[i], %[x]"); break; \
    case base + 19: i = q->a[0]; SSE("cvtsi2" S "q %[i], %[x]"); break;
#define CMP0(n) SSE("vcmpsd $" n ", %[y], %[x], %[x]")
#define CMP40(n) SSE("vcmpss $" n ", %[y], %[x], %[x]")
#define ROUND0(n) SSE("roundsd $" n ", %[x], %[x]")
#define ROUND40(n) SSE("roundss $" n ", %[x], %[x]")
    F(0, "sd")
    F(40, "ss")
    case 80: SSE("cvtss2sd %[x], %[x]"); break;
    case 81: SSE("cvtsd2ss %[x], %[x]"); break;
    case 82: SSE("vcvtph2ps %[x], %[x]"); break;
#define PH(n) SSE("vcvtps2ph $" n ", %[x], %[x]")
    case 83: switch (q->imm) { CASES8(PH); } break;
  }
  o->flags = st & 0x3f;
  if (kind) { o->r[0] = kind == 1 ? i & 0x45 : i; o->r[1] = 0; } else memcpy(o->r, &x, 16);
}

// ST0 = a, ST1 = b; the first result is taken from ST0, the second from ST1
#define X87(ins) asm volatile("fninit\n fldt %[b]\n fldt %[a]\n fnclex\n fldcw %[cw]\n" ins "\n fnstsw %[sw]\n fnclex\n fldcw %[def]\n" \
  "fstpt %[r]\n fstpt %[s]\n fninit" : [r] "=m"(o->r), [s] "=m"(o->s), [sw] "=m"(sw), [m] "+m"(mem) \
  : [a] "m"(q->a), [b] "m"(q->b), [cw] "m"(cw), [def] "m"(def) : "memory", "cc")
#define LOAD(ins) asm volatile("fninit\n fldcw %[cw]\n" ins "\n fnstsw %[sw]\n fnclex\n fldcw %[def]\n fstpt %[r]\n fninit" \
  : [r] "=m"(o->r), [sw] "=m"(sw), [m] "+m"(mem) : [cw] "m"(cw), [def] "m"(def) : "memory", "cc")

static void x87(const struct in *q, struct out *o) {
  uint16_t cw = q->ctl, def = 0x37f, sw = 0;
  struct { uint64_t w[2]; } mem = {{0x1234567812345678, 0x1234567812345678}};
  switch (q->op) {
    case 100: X87("fadd %%st(1), %%st"); break;
    case 101: X87("fsub %%st(1), %%st"); break;
    case 102: X87("fmul %%st(1), %%st"); break;
    case 103: X87("fdiv %%st(1), %%st"); break;
    case 104: X87("fsqrt"); break;
    case 105: X87("fprem"); break;
    case 106: X87("fprem1"); break;
    case 107: X87("fcom %%st(1)"); break;
    case 108: X87("fucom %%st(1)"); break;
    case 109: X87("frndint"); break;
    case 110: X87("fscale"); break;
    case 111: X87("fxtract"); { uint64_t t0 = o->r[0], t1 = o->r[1]; o->r[0] = o->s[0]; o->r[1] = o->s[1]; o->s[0] = t0; o->s[1] = t1; } break;
    case 112: X87("fxam"); break;
    case 113: mem.w[0] = q->a[0]; LOAD("flds %[m]"); break;
    case 114: mem.w[0] = q->a[0]; LOAD("fldl %[m]"); break;
    case 115: X87("fsts %[m]"); goto stored;
    case 116: X87("fstl %[m]"); goto stored;
    case 117: X87("fists %[m]"); goto stored;
    case 118: X87("fistl %[m]"); goto stored;
    case 119: X87("fistpll %[m]"); goto stored;
    case 120: mem.w[0] = q->a[0]; LOAD("fildll %[m]"); break;
    case 121: memcpy(&mem, q->a, 10); LOAD("fbld %[m]"); break;
    case 122: X87("fbstp %[m]"); goto stored;
    case 123: mem.w[0] = q->b[0]; X87("fadds %[m]"); break;
    case 124: mem.w[0] = q->b[0]; X87("faddl %[m]"); break;
    case 125: mem.w[0] = q->b[0]; X87("fdivs %[m]"); break;
    case 126: mem.w[0] = q->b[0]; X87("fmull %[m]"); break;
    case 127: mem.w[0] = q->b[0]; X87("fcoms %[m]"); break;
    case 130: X87("f2xm1"); break;
    case 131: X87("fyl2x"); break;
    case 132: X87("fyl2xp1"); break;
    case 133: X87("fptan"); goto pushed;
    case 134: X87("fpatan"); break;
    case 135: X87("fsin"); break;
    case 136: X87("fcos"); break;
    case 137: X87("fsincos"); goto pushed;
  }
  if (0) {
    pushed: // the first result is then below the pushed one; TOP was 6
    if ((sw >> 11 & 7) == 5) { uint64_t t0 = o->r[0], t1 = o->r[1]; o->r[0] = o->s[0]; o->r[1] = o->s[1]; o->s[0] = t0; o->s[1] = t1; }
    else o->s[0] = o->s[1] = 0;
  }
  if (0) { stored: memcpy(o->r, &mem, 16); o->s[0] = o->s[1] = 0; }
  o->flags = sw & 0x3f;
  o->cond = sw & 0x4700;
}

int main(void) {
  struct sigaction sa = {0};
  sa.sa_sigaction = on_fpe;
  sa.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGFPE, &sa, 0);
  static struct in q[4096];
  static struct out o[4096];
  size_t n;
  while ((n = fread(q, sizeof *q, 4096, stdin)) > 0) {
    memset(o, 0, sizeof o);
    for (size_t k = 0; k < n; k++) (q[k].op < 100 ? sse : x87)(&q[k], &o[k]);
    fwrite(o, sizeof *o, n, stdout);
  }
  return 0;
}
