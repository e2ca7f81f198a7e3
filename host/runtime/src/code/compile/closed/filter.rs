//! The seccomp filter of the compiler's process.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// System calls that neither name a file nor make a descriptor.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads, and signals to this process. The C library starts threads by `clone3` first, which the filter below replaces.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and randomness.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
];

/// Installs the filters for this thread and its children.
pub fn apply() -> Result<(), Error> {
    // `clone3` has its flags in memory, which a filter cannot read. The C library falls back on `clone` where the kernel has none.
    apply_filter(&program(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno(libc::ENOSYS)),
    )?)?;
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    allowed.insert(libc::SYS_clone, vec![rule(0, Len::Qword, Op::MaskedEq(thread), thread)?]);
    // A signal to another process is refused, and so is a change of a limit. `abort` signals its own thread.
    let own = u64::from(std::process::id());
    allowed.insert(libc::SYS_tgkill, vec![rule(0, Len::Dword, Op::Eq, own)?]);
    allowed.insert(libc::SYS_prctl, vec![rule(0, Len::Dword, Op::Eq, libc::PR_SET_NAME.unsigned_abs().into())?]);
    // `prlimit64` also reads limits. Its third argument is null then.
    allowed.insert(libc::SYS_prlimit64, vec![rule(2, Len::Qword, Op::Eq, 0)?]);
    apply_filter(&program(allowed, SeccompAction::Errno(errno(libc::EPERM)), SeccompAction::Allow)?)
}

fn program(calls: BTreeMap<i64, Vec<SeccompRule>>, otherwise: SeccompAction, for_these: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(calls, otherwise, for_these, ARCH.try_into()?)?.try_into()
}

fn rule(argument: u8, len: Len, op: Op, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, len, op, value)?])
}

/// Converts an error number, which is positive.
fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}
