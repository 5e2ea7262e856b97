// Reads cases from standard input, runs each on the CPU, writes outcomes to standard output in the same order.
#define _GNU_SOURCE
#include "step.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 64
#define RECORD_LIMIT 65536

static uint8_t input[1 << 20], output[1 << 20];
static size_t input_at, input_end, output_end;

static void flush(void) {
  for (size_t at = 0; at < output_end;) {
    ssize_t n = write(1, output + at, output_end - at);
    if (n < 0 && errno != EINTR) exit(1);
    if (n > 0) at += n;
  }
  output_end = 0;
}

// Makes `size` contiguous bytes available; returns 0 at a clean end of input.
static uint8_t *need(size_t size) {
  if (input_end - input_at < size && input_at) {
    memmove(input, input + input_at, input_end - input_at);
    input_end -= input_at, input_at = 0;
  }
  while (input_end - input_at < size) {
    struct pollfd ready = {0, POLLIN, 0};
    if (output_end && poll(&ready, 1, 0) == 0) flush();
    ssize_t n = read(0, input + input_end, sizeof input - input_end);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      flush();
      if (input_end != input_at) fprintf(stderr, "oracle: input ends inside a record\n"), exit(1);
      return NULL;
    }
    input_end += n;
  }
  return input + input_at;
}

static void malformed(void) {
  fprintf(stderr, "oracle: malformed case record\n");
  exit(1);
}

static uint8_t expected[DATA_SIZE];

static uint8_t *write_differences(const uint8_t *data, uint8_t *at, uint32_t *count) {
  for (uint32_t block = 0; block < DATA_SIZE; block += BLOCK) {
    if (!memcmp(data + block, expected + block, BLOCK)) continue;
    for (uint32_t i = block; i < block + BLOCK; i++) {
      if (data[i] == expected[i]) continue;
      uint32_t first = i;
      while (i < block + BLOCK && data[i] != expected[i]) i++;
      uint32_t address = DATA_ADDRESS + first, length = i - first;
      memcpy(at, &address, 4), memcpy(at + 4, &length, 4), memcpy(at + 8, data + first, length);
      at += 8 + length;
      ++*count;
    }
  }
  return at;
}

static void restore(uint8_t *data, const uint8_t *pristine) {
  for (uint32_t block = 0; block < DATA_SIZE; block += BLOCK) {
    if (memcmp(data + block, pristine + block, BLOCK)) memcpy(data + block, pristine + block, BLOCK);
    if (memcmp(expected + block, pristine + block, BLOCK)) memcpy(expected + block, pristine + block, BLOCK);
  }
}

static const struct extended initial = {.fcw = 0x37f, .mxcsr = 0x1f80};

static void run_case(struct cpu *cpu, const struct setup *setup, const uint8_t *record) {
  static struct case_header header;
  struct extended extended = initial;
  memcpy(&header, record, sizeof header);
  const uint8_t *at = record + sizeof header, *end = record + header.length;
  if (header.flags & CASE_HAS_EXTENDED) {
    if (end - at < (long)sizeof extended) malformed();
    memcpy(&extended, at, sizeof extended), at += sizeof extended;
  }
  const uint8_t *code = at;
  uint64_t offset = header.registers.rip - CODE_ADDRESS;
  if (end - at < header.code_length || offset >= CODE_SIZE || header.code_length > CODE_SIZE - offset) malformed();
  uint8_t *base = cpu->shared.base, *data = base + OFFSET_DATA, *page = base + OFFSET_CODE;
  memcpy(page + offset, code, header.code_length), at += header.code_length;
  for (uint32_t i = 0; i < header.pieces; i++) {
    uint32_t address, length;
    if (end - at < 8) malformed();
    memcpy(&address, at, 4), memcpy(&length, at + 4, 4), at += 8;
    if ((size_t)(end - at) < length || address < DATA_ADDRESS || address - DATA_ADDRESS > DATA_SIZE || length > DATA_SIZE - (address - DATA_ADDRESS)) malformed();
    memcpy(data + address - DATA_ADDRESS, at, length), memcpy(expected + address - DATA_ADDRESS, at, length), at += length;
  }
  struct outcome_header out = {0};
  cpu_step(cpu, &header, code, &extended, &out);
  memset(page + offset, 0x90, header.code_length);
  if (sizeof output - output_end < sizeof out + sizeof extended + 9 * DATA_SIZE) flush();
  uint8_t *start = output + output_end, *to = start + sizeof out;
  if (out.flags & OUTCOME_HAS_EXTENDED) memcpy(to, &extended, sizeof extended), to += sizeof extended;
  to = write_differences(data, to, &out.differences);
  out.length = to - start;
  memcpy(start, &out, sizeof out);
  output_end += out.length;
  restore(data, setup->data);
}

int main(void) {
  static struct setup setup;
  static struct cpu cpu;
  uint8_t *p = need(sizeof setup);
  if (!p) return 1;
  memcpy(&setup, p, sizeof setup), input_at += sizeof setup;
  if (setup.magic != PROTOCOL_MAGIC) fprintf(stderr, "oracle: protocol mismatch\n"), exit(1);
  // Parent and child take turns: on one CPU the hand-over needs no interprocessor interrupt.
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(sched_getcpu(), &here);
  sched_setaffinity(0, sizeof here, &here);
  shared_create(&cpu.shared);
  memset(cpu.shared.base + OFFSET_CODE, 0x90, CODE_SIZE);
  memcpy(cpu.shared.base + OFFSET_DATA, setup.data, DATA_SIZE), memcpy(expected, setup.data, DATA_SIZE);
  memcpy(cpu.shared.base + OFFSET_CONST, setup.constants, CONST_SIZE);
  cpu_start(&cpu);
  while ((p = need(4))) {
    uint32_t length;
    memcpy(&length, p, 4);
    if (length < sizeof(struct case_header) || length > RECORD_LIMIT) malformed();
    if (!(p = need(length))) malformed();
    run_case(&cpu, &setup, p);
    input_at += length;
  }
  flush();
  return 0;
}
