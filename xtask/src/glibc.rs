//! The C library that a program needs.

/// Returns the highest minor version of glibc 2 that the program needs, or 0 if it needs none. The names of symbol versions are text in
/// the program: `GLIBC_2.34`.
pub fn newest_glibc(program: &[u8]) -> u32 {
    const NAME: &[u8] = b"GLIBC_2.";
    let versions = program.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).filter_map(|(at, _)| {
        let rest = &program[at + NAME.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).take(3).count();
        std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
    });
    versions.max().unwrap_or(0)
}
