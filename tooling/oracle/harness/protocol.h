// The byte stream between src/real-cpu.ts and the harness. Little-endian, naturally aligned; src/protocol.ts is its mirror.
#ifndef ENTRESOL_PROTOCOL_H
#define ENTRESOL_PROTOCOL_H
#include <stdint.h>

#define PROTOCOL_MAGIC 0x3143524fu // "ORC1"

#define CODE_ADDRESS 0x00100000u // one page, readable and executable
#define CODE_SIZE 0x1000u
#define DATA_ADDRESS 0x00200000u // two pages, readable and writable; the page after them is a guard
#define DATA_SIZE 0x2000u
#define CONST_ADDRESS 0x00203000u // one page, readable
#define CONST_SIZE 0x1000u

#define EXTENDED_SIZE 608u // header 16, ST0..ST7 8 x 10, YMM0..YMM15 16 x 32

#define CASE_HAS_EXTENDED 1
#define CASE_REPEAT 2
// The code is exactly one instruction that does not branch: run up to an INT3 behind it. Cheaper than the trap flag, above all in a
// virtual machine, where every #DB costs several exits.
#define CASE_STRAIGHT 4
// The code is a program: it runs free until it reaches HLT (done), faults, or is out of time (step limit).
#define CASE_PROGRAM 8

#define OUTCOME_DONE 0
#define OUTCOME_FAULT 1
#define OUTCOME_SYSTEM_CALL 2
#define OUTCOME_STEP_LIMIT 3
#define OUTCOME_LOST 4

#define OUTCOME_HAS_EXTENDED 1

struct setup {
  uint32_t magic;
  uint8_t data[DATA_SIZE];
  uint8_t constants[CONST_SIZE];
};

struct registers {
  uint64_t gpr[16]; // architectural order: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15
  uint64_t rip;
  uint64_t rflags;
  uint64_t fs_base;
  uint64_t gs_base;
  uint16_t es, cs, ss, ds, fs, gs;
  uint32_t zero;
};

struct extended {
  uint16_t fcw, fsw;
  uint8_t ftw; // abridged: bit n set when physical register n is not empty
  uint8_t zero[3];
  uint32_t mxcsr;
  uint32_t zero2;
  uint8_t st[8][10];
  uint8_t ymm[16][32];
};

// Followed by: struct extended when CASE_HAS_EXTENDED, the code bytes, then the pieces { u32 address, u32 length, bytes }.
struct case_header {
  uint32_t length; // of the whole record
  uint8_t flags;
  uint8_t zero;
  uint16_t code_length;
  uint32_t step_limit;
  uint32_t pieces;
  struct registers registers; // rip: where the code goes, inside the code page
};

// Followed by: struct extended when OUTCOME_HAS_EXTENDED (it changed), then the memory differences { u32 address, u32 length, bytes }.
struct outcome_header {
  uint32_t length;
  uint8_t kind;
  uint8_t flags;
  uint8_t vector;
  uint8_t signal;
  uint32_t error_code;
  uint32_t steps;
  uint32_t differences;
  uint32_t zero;
  uint64_t address; // CR2 of a page fault
  struct registers registers;
};

_Static_assert(sizeof(struct extended) == EXTENDED_SIZE, "extended state layout");
_Static_assert(sizeof(struct registers) == 176 && sizeof(struct case_header) == 192 && sizeof(struct outcome_header) == 208, "record layout");
#endif
