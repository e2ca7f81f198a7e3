//! Files that are no plugin or exceed a limit, and hostile manifests and bundles. Each is refused before any of its code runs.

use std::fmt::Write as _;
use std::time::Duration;

use postdate_core::bundle::BundleSource;
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::read_bundle_dir;

use crate::guest::{GOOD, Guest, component};
use crate::host::{hosts, refused, stopped, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_the_host_does_not_have_is_refused() {
    let guest = |imports| Guest { imports, ..GOOD }.wasm();
    let bank = guest(r#"(import "acme:bank/ledger@1.0.0" (instance (export "pay" (func))))"#);
    refused(bank, "imports acme:bank/ledger@1.0.0, which is not an interface that this host has").await;
    let function = guest(r#"(import "do-it" (func))"#);
    refused(function, "imports do-it, which is not an interface of WASI 0.2").await;
    let values = guest(r#"(import "wasi:keyvalue/store@0.2.0" (instance))"#);
    refused(values, "imports wasi:keyvalue/store@0.2.0, which is not an interface that this host has").await;
    // A known interface with a function of another type.
    let typed = guest(r#"(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result string)))))"#);
    refused(typed, "imports something of another type than the host has").await;
    let invented = guest(r#"(import "wasi:random/random@0.2.0" (instance (export "get-root-shell" (func))))"#);
    refused(invented, "imports something of another type than the host has").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_the_contract_is_refused() {
    let text = GOOD.text();
    for version in ["2.0.0", "0.9.0", "1.0.0-rc.1", "11.0.0"] {
        let wasm = component(&text.replace("process@1.0.0", &format!("process@{version}")));
        refused(wasm, &format!("exports postdate:plugin/process@{version}; this host speaks 1.0.0")).await;
    }
    // The right interface name, and a function of another type.
    refused(
        component(&text.replace("\"attempt\" u32", "\"attempt\" u64").replacen(
            "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32",
            "i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32",
            1,
        )),
        "does not export what its interface says",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_component_is_refused() {
    refused(component("(module (func (export \"_start\")))"), "is a core WebAssembly module, not a component").await;
    refused(Vec::new(), "is empty").await;
    refused(GOOD.text().into_bytes(), "is WebAssembly text").await;
    refused(b"\x7fELF\x02\x01\x01".to_vec(), "is not WebAssembly").await;
    refused(component("(component)"), "exports nothing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_component_is_refused() {
    let whole = GOOD.wasm();
    for length in (1..whole.len()).step_by(97) {
        let cut = whole[..length].to_vec();
        // A component cut at the end of a section is well-formed, and exports nothing.
        let says = match length {
            ..4 => "is not WebAssembly",
            _ if wasmparser_accepts(&cut) => "exports nothing",
            _ => "is damaged or cut short",
        };
        refused(cut, says).await;
    }
}

fn wasmparser_accepts(bytes: &[u8]) -> bool {
    wasmparser::Parser::new(0).parse_all(bytes).all(|payload| payload.is_ok())
}

/// Core instances beyond the limit of 100, up to as many as fit into a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_core_instances_than_the_limit_are_refused() {
    for (count, says) in [(101, "exceeds the configured maximum of 100"), (900, "100"), (5000, "instances")] {
        let ballast = "(core module $many)".to_owned() + &"(core instance (instantiate $many))".repeat(count);
        refused(Guest { ballast: &ballast, ..GOOD }.wasm(), says).await;
    }
}

/// Nested components that each instantiate the next one ten times: a few hundred bytes that expand to 10^12 instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_components_that_expand_to_too_many_instances_are_refused() {
    for (levels, leaf) in [(12, "(core module $leaf) (core instance (instantiate $leaf))"), (20, "")] {
        let mut ballast = format!("(component $c0 {leaf})");
        for level in 1..=levels {
            let instances = format!("(instance (instantiate $c{}))", level - 1).repeat(10);
            // Each level contains the one below, because a component cannot refer to its sibling.
            ballast = format!("(component $c{level} {ballast} {instances})");
        }
        let _ = write!(ballast, "(instance (instantiate $c{levels}))");
        refused(Guest { ballast: &ballast, ..GOOD }.wasm(), "comes to more than the 10000 instances that a plugin may have").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_memories_beyond_the_limits_are_refused() {
    refused(Guest { fields: "(table 1000000 funcref)", ..GOOD }.wasm(), "table").await;
    refused(
        Guest { fields: &"(table 1 funcref)".repeat(21), ..GOOD }.wasm(),
        "defined tables count of 21 exceeds the per-instance limit of 1",
    )
    .await;
    refused(Guest { fields: "(memory 1) (memory 1)", ..GOOD }.wasm(), "exceeds the per-instance limit of 1").await;
    // More memory than the host grants to any plugin: 4 GiB.
    refused(Guest { pages: 65_536, ..GOOD }.wasm(), "memory").await;
}

/// The host cannot count the instances of a component that it does not see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_imports_a_component_is_refused() {
    let imported = "(component $c (import \"inner\" (component $inner)) (instance (instantiate $inner)))";
    refused(Guest { ballast: imported, ..GOOD }.wasm(), "takes a whole component from an import").await;
}

/// A function with too many locals, and components nested too deeply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_locals_and_too_deep_nesting_are_refused() {
    let locals = format!("(func {})", "(local i64)".repeat(60_000));
    refused(Guest { fields: &locals, ..GOOD }.wasm(), "is not valid").await;
    // Nested in the binary format, because the parser of the text format has a lower limit.
    let mut nested = component("(component)");
    for _ in 0..2000 {
        let mut length = Vec::new();
        let mut rest = nested.len();
        while rest >= 0x80 {
            length.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        length.push(u8::try_from(rest).unwrap());
        nested = [&component("(component)")[..], &[4], &length, &nested].concat();
    }
    refused(nested, "has components inside each other more than 100 deep").await;
}

#[track_caller]
fn check_manifest(manifest: impl AsRef<[u8]>, says: &str) {
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), manifest.as_ref().to_vec().into());
    source.files.insert("p.wasm".into(), GOOD.wasm().into());
    let error = source.use_case().expect_err(says).to_string();
    assert!(error.contains(says), "{says:?} is not in: {}", error.chars().take(500).collect::<String>());
    assert!(error.len() < 10_000, "the error is {} bytes", error.len());
    // A directory with the same files is refused as well.
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in &source.files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    read_bundle_dir(dir.path()).expect_err(says);
}

#[test]
fn manifests_with_a_path_outside_the_bundle_or_a_bad_name_are_refused() {
    for path in ["../p.wasm", "/etc/passwd", "a/../../p.wasm", "a/p.wasm", "..", ".", "", "p.wasm\\u0000.txt", "..\\\\p.wasm"] {
        check_manifest(format!("name = 'x'\n[process]\nplugin = \"{path}\"\n"), "process.plugin");
        let config = format!("name = 'x'\n[process]\nplugin = 'p.wasm'\nconfig-files = {{ key = \"{path}\" }}\n");
        check_manifest(config, "process.config-files.key");
    }
    for name in ["../x", "x/y", "", "X", "x y", "\\u0000", &"x".repeat(33), "."] {
        check_manifest(format!("name = \"{name}\"\n[process]\nplugin = 'p.wasm'\n"), "name");
    }
}

#[test]
fn manifests_with_duplicate_or_unknown_keys_are_refused() {
    let process = "name = 'x'\n[process]\nplugin = 'p.wasm'\n";
    check_manifest(format!("{process}plugin = 'q.wasm'\n"), "duplicate key");
    check_manifest(format!("{process}[process]\nplugin = 'q.wasm'\n"), "duplicate key");
    check_manifest(format!("name = 'y'\n{process}"), "duplicate key");
    check_manifest(format!("{process}secrets = ['A']\nconfig = {{ A = '1' }}\n"), "\"A\" is given twice");
    check_manifest(format!("{process}secrets = ['A', 'A']\n"), "\"A\" is given twice");
    check_manifest(format!("{process}[targets]\na = {{ kind = 'plugin' }}\na = {{ kind = 'plugin' }}\n"), "duplicate key");
    check_manifest(format!("{process}surprise = true\n"), "unknown field");
}

#[test]
fn manifests_that_are_no_utf8_too_large_or_too_deep_are_refused() {
    check_manifest(b"name = '\xff'\n", "is not UTF-8");
    check_manifest([0; 64], "cannot be read");
    let ten_megabytes = "# nothing\n".repeat(1 << 20);
    check_manifest(ten_megabytes, "the limit is 1048576 bytes");
    // Too deep, and within the size limit.
    check_manifest(format!("a = {}", "[".repeat(400_000)), "cannot be read");
    check_manifest(format!("a = {}{}", "[".repeat(400_000), "]".repeat(400_000)), "cannot be read");
    check_manifest(format!("a = {}", "{ a = ".repeat(100_000)), "cannot be read");
    check_manifest(format!("{}a = 1", "a.".repeat(400_000)), "cannot be read");
    check_manifest(format!("[{}a]", "a.".repeat(400_000)), "cannot be read");
    check_manifest("a = 99999999999999999999999999", "cannot be read");
}

#[test]
fn links_directories_and_huge_files_in_a_bundle_are_refused() {
    let manifest = "name = 'x'\n[process]\nplugin = 'p.wasm'\n";
    let check = |prepare: &dyn Fn(&std::path::Path), says: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST_FILE), manifest).unwrap();
        prepare(&dir.path().join("p.wasm"));
        let error = read_bundle_dir(dir.path()).expect_err(says).to_string();
        assert!(error.contains(says), "{says:?} is not in: {error}");
    };
    check(&|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(), "is a link to a file outside the bundle");
    check(&|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(), "is a link to a file outside the bundle");
    check(&|path| std::os::unix::fs::symlink("p.wasm", path).unwrap(), "cannot be read");
    check(&|path| std::fs::create_dir(path).unwrap(), "is not a regular file");
    // A sparse file of 1 TiB takes no disk space.
    check(&|path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap(), "more than the");
}

/// A call must not see the memory, globals or tables of an earlier call of the same or of another plugin, although the calls
/// share a slot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_state_of_a_call_is_visible_to_a_later_call() {
    let dirty = Guest {
        fields: "(global $calls (mut i32) (i32.const 0)) (table $t 8 funcref) (elem declare func $f) (func $f)",
        code: "(memory.fill (i32.const 4096) (i32.const 90) (i32.const 61440))
            (drop (memory.grow (i32.const 15)))
            (memory.fill (i32.const 65536) (i32.const 90) (i32.const 983040))
            (table.fill $t (i32.const 0) (ref.func $f) (i32.const 8))
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.ne (global.get $calls) (i32.const 1)) (then unreachable))",
        ..GOOD
    };
    // Reads all of its memory except the part that holds its own job.
    let looks = "(drop (memory.grow (i32.const 15)))
        (local.set $n (i32.const 4096))
        (loop $again
          (if (i64.ne (i64.load (local.get $n)) (i64.const 0)) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
          (local.set $n (i32.add (local.get $n) (i32.const 8)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 1048576))))
        (local.set $n (i32.const 0))
        (loop $again
          (if (i32.eqz (ref.is_null (table.get $t (local.get $n)))) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 8))))
        (i32.const 0)";
    let looks = Guest { fields: "(table $t 8 funcref)", code: looks, ..GOOD };
    let _turn = turn().await;
    for end in ["(i32.const 0)", "unreachable", "(loop $for-ever (br $for-ever)) unreachable"] {
        let code = format!("{}{end}", dirty.code);
        for host in hosts() {
            for _ in 0..2 {
                let dirty = host.call("timeout = '50ms'\n", &Guest { code: &code, ..dirty }).await;
                // The end `(i32.const 0)` must succeed: an error would mean that a call found the globals of an earlier one.
                assert!(
                    dirty.result.as_ref().err().is_none_or(|error| !end.starts_with("(i32") && error.reason.code() != "memory"),
                    "{dirty:?}"
                );
                let clean = host.call("", &looks).await;
                assert_eq!(clean.result.unwrap_or_else(|error| panic!("{}: {error}", host.name)), Ok(None));
            }
        }
    }
}

/// `stopped` must fail on a call that succeeds, or the other tests would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "one machine")]
async fn the_check_for_hostile_guests_fails_on_a_successful_call() {
    stopped("", GOOD, Duration::from_secs(15), "trap", "").await;
}
