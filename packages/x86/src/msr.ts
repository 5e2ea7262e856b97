/** Model-specific registers by index. Intel SDM vol. 4, table 2-2; AMD64 MSRs: APM vol. 2, appendix A; KVM's: Linux virt/kvm/x86/msr.rst. */
export const IA32_P5_MC_ADDR = 0x0
export const IA32_P5_MC_TYPE = 0x1
export const IA32_TIME_STAMP_COUNTER = 0x10
export const IA32_PLATFORM_ID = 0x17
export const IA32_APIC_BASE = 0x1b
export const IA32_FEATURE_CONTROL = 0x3a
export const IA32_TSC_ADJUST = 0x3b
export const IA32_SPEC_CTRL = 0x48
export const IA32_PRED_CMD = 0x49
export const IA32_BIOS_UPDT_TRIG = 0x79
export const IA32_BIOS_SIGN_ID = 0x8b
export const MSR_PLATFORM_INFO = 0xce
export const IA32_MTRRCAP = 0xfe
export const IA32_ARCH_CAPABILITIES = 0x10a
export const MSR_MISC_FEATURES_ENABLES = 0x140
export const IA32_SYSENTER_CS = 0x174
export const IA32_SYSENTER_ESP = 0x175
export const IA32_SYSENTER_EIP = 0x176
export const IA32_MCG_CAP = 0x179
export const IA32_MCG_STATUS = 0x17a
export const IA32_MCG_CTL = 0x17b
export const IA32_PERF_STATUS = 0x198
export const IA32_MISC_ENABLE = 0x1a0
export const IA32_DEBUGCTL = 0x1d9
export const IA32_MTRR_PHYSBASE0 = 0x200
/** Fixed-range MTRRs in address order: 64K, 16K ×2, 4K ×8. */
export const IA32_MTRR_FIXED: readonly number[] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f]
export const IA32_PAT = 0x277
export const IA32_MTRR_DEF_TYPE = 0x2ff
export const IA32_MC0_CTL = 0x400
export const IA32_TSC_DEADLINE = 0x6e0
export const IA32_X2APIC_FIRST = 0x800
export const IA32_X2APIC_LAST = 0x8ff
export const IA32_EFER = 0xc0000080
export const IA32_STAR = 0xc0000081
export const IA32_LSTAR = 0xc0000082
export const IA32_CSTAR = 0xc0000083
export const IA32_FMASK = 0xc0000084
export const IA32_FS_BASE = 0xc0000100
export const IA32_GS_BASE = 0xc0000101
export const IA32_KERNEL_GS_BASE = 0xc0000102
export const IA32_TSC_AUX = 0xc0000103
/** AMD: system configuration, hardware configuration, interrupt-pending message. */
export const MSR_SYSCFG = 0xc0010010
export const MSR_HWCR = 0xc0010015

export const MSR_KVM_WALL_CLOCK = 0x11
export const MSR_KVM_SYSTEM_TIME = 0x12
export const MSR_KVM_WALL_CLOCK_NEW = 0x4b564d00
export const MSR_KVM_SYSTEM_TIME_NEW = 0x4b564d01
export const MSR_KVM_ASYNC_PF_EN = 0x4b564d02
export const MSR_KVM_STEAL_TIME = 0x4b564d03
export const MSR_KVM_EOI_EN = 0x4b564d04
export const MSR_KVM_POLL_CONTROL = 0x4b564d05

/** Power-on value of IA32_PAT: WB, WT, UC-, UC twice (vol. 3A, 13.12.4). */
export const PAT_RESET: bigint = 0x0007040600070406n
