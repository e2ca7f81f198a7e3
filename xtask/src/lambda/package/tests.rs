use std::io::Read as _;

use super::*;

const X86_64: &str = "x86_64-unknown-linux-gnu";

fn elf(machine: u16, text: &str) -> Vec<u8> {
    let mut program = b"\x7fELF".to_vec();
    program.extend([0; 14]);
    program.extend(machine.to_le_bytes());
    program.extend(text.as_bytes());
    program
}

#[test]
fn a_program_for_another_machine_or_a_newer_glibc_is_refused() {
    check(&elf(62, "\0GLIBC_2.2.5\0GLIBC_2.34\0"), X86_64).unwrap();
    let error = check(&elf(62, "\0GLIBC_2.38\0GLIBC_2.3\0"), X86_64).unwrap_err().to_string();
    assert!(error.starts_with("it needs glibc 2.38, and provided.al2023 has 2.34"), "{error}");
    for program in [elf(183, ""), b"#!/bin/sh".to_vec(), Vec::new()] {
        assert!(check(&program, X86_64).is_err());
    }
}

#[test]
fn the_same_program_gives_the_same_zip_with_one_executable_file() {
    let program = vec![7; 100_000];
    for effort in [Effort::Quick, Effort::Smallest] {
        let first = packed(&program, effort).unwrap();
        assert_eq!(first, packed(&program, effort).unwrap());
        assert!(first.len() < 1_000, "not compressed: {} bytes", first.len());
        let mut zip = zip::ZipArchive::new(Cursor::new(first)).unwrap();
        assert_eq!(zip.len(), 1);
        let mut file = zip.by_index(0).unwrap();
        assert_eq!(file.name().unwrap(), "bootstrap");
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut unpacked = Vec::new();
        file.read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == program);
    }
}

#[test]
fn a_program_of_this_machine_passes_or_needs_a_newer_glibc() {
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    if let Err(error) = check(&own, &triple) {
        assert!(error.to_string().contains("glibc"), "{error}");
    }
}
