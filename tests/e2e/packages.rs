//! Packages: `cargo xtask dist` with the development build, and the SDKs of the three languages as packages of their registries.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::harness::{cli, host, root};

/// Runs a program to its end, and returns its stdout. Panics with its output if it fails.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Returns the files of a `.tar.gz`: paths, modes and contents.
fn unpacked(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.expect("an entry");
        let (path, mode) = (entry.path().expect("a path").display().to_string(), entry.header().mode().expect("a mode"));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a file");
        (path, (mode, content))
    };
    tar.entries().expect("a tar file").map(read).collect()
}

/// Returns the only file in a directory whose name ends with `end`, and the name.
#[track_caller]
fn only(directory: &Path, end: &str) -> (String, Vec<u8>) {
    let names = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let names: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(end)).collect();
    let [name] = &names[..] else { panic!("{names:?} in {}", directory.display()) };
    (name.clone(), std::fs::read(directory.join(name)).expect("a file"))
}

#[test]
fn tarball_and_wheel_of_the_development_build_are_whole_and_the_wheel_installs() {
    let out = tempfile::tempdir().unwrap();
    let mut dist = cargo();
    dist.args(["xtask", "dist", "--only", "tarball,wheel", "--binary"]).arg(host()).arg("--out").arg(out.path());
    run(&mut dist);

    let (name, tarball) = only(out.path(), ".tar.gz");
    let top = name.trim_end_matches(".tar.gz");
    let files = unpacked(&tarball);
    let (mode, program) = &files[&format!("{top}/bin/postdate")];
    assert!(*mode == 0o755 && *program == std::fs::read(host()).unwrap(), "the program of the tarball is another one");
    let text = |path: &str| String::from_utf8(files[&format!("{top}/share/{path}")].1.clone()).expect("UTF-8");
    for (completions, word) in [
        ("bash-completion/completions/postdate", "complete -F"),
        ("zsh/site-functions/_postdate", "#compdef"),
        ("fish/vendor_completions.d/postdate.fish", "complete -c"),
    ] {
        let script = text(completions);
        assert!(script.contains(word) && script.contains("use-case"), "{completions}");
    }
    assert!(text("man/man1/postdate.1").contains(".TH postdate 1"));
    assert!(text("man/man1/postdate-request-post.1").contains("idempotency"));
    assert!(!files.keys().any(|path| path.contains("compile-plugin")), "a hidden command has a man page");
    assert!(text("doc/postdate/LICENSE").contains("Apache License"));

    let (wheel, _) = only(out.path(), ".whl");
    let sums = std::fs::read_to_string(out.path().join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 2);
    for line in sums.lines() {
        let (sum, file) = line.split_once("  ").expect("two columns");
        let digest = Sha256::digest(std::fs::read(out.path().join(file)).expect(file));
        assert_eq!(sum, digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(), "{file}");
    }

    let environment = out.path().join("environment");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(python).args(["-m", "venv"]).arg(&environment));
    let mut pip = Command::new(environment.join("bin/python"));
    // pip compares the file with the hashes in the wheel, and the tag with this machine.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]).arg(out.path().join(wheel));
    run(&mut pip);
    let version = run(Command::new(environment.join("bin/postdate")).arg("--version"));
    assert_eq!(version.trim(), format!("postdate {}", env!("CARGO_PKG_VERSION")));
    assert!(environment.join("share/man/man1/postdate.1").is_file());
}

#[test]
fn the_sdk_for_rust_builds_from_its_package() {
    let mut package = cargo();
    package.args(["package", "--quiet", "--locked", "--allow-dirty", "--manifest-path", "plugins/sdk/Cargo.toml"]);
    // The build of the plugins' own tests has compiled the dependencies.
    package.args(["--target-dir", "target/guests-native"]);
    run(&mut package);
    let (name, archive) = only(&root().join("target/guests-native/package"), ".crate");
    let top = name.trim_end_matches(".crate");
    let files = unpacked(&archive);
    for path in ["wit/postdate.wit", "wit/config.wit", "src/lib.rs", "README.md", "LICENSE"] {
        assert!(files.contains_key(&format!("{top}/{path}")), "{path} is not in {:?}", files.keys());
    }
    assert_eq!(files[&format!("{top}/wit/postdate.wit")].1, std::fs::read(root().join("wit/postdate.wit")).unwrap());
}

#[test]
fn the_sdk_for_python_builds_a_wheel() {
    let out = tempfile::tempdir().unwrap();
    let environment = out.path().join("environment");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(python).args(["-m", "venv"]).arg(&environment));
    let python = environment.join("bin/python");
    let mut wheel = Command::new(&python);
    wheel.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir"]).arg(out.path());
    run(wheel.arg(root().join("plugins/sdk-python")));
    let (name, _) = only(out.path(), ".whl");
    let list = "import sys, zipfile; print('\\n'.join(zipfile.ZipFile(sys.argv[1]).namelist()))";
    let files = run(Command::new(&python).args(["-c", list]).arg(out.path().join(name)));
    assert!(files.lines().any(|file| file == "postdate_http.py") && files.contains("/LICENSE"), "{files}");
}

#[test]
fn the_sdk_for_javascript_is_packed_with_its_modules() {
    let out = tempfile::tempdir().unwrap();
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"]).arg(out.path()).current_dir(root().join("plugins/sdk-js"));
    run(&mut npm);
    let files = unpacked(&only(out.path(), ".tgz").1);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["LICENSE", "README.md", "guarded.js", "http.js", "package.json"].map(|name| format!("package/{name}")));
    // A plugin imports the modules by the names of the package.
    let project = out.path().join("project");
    std::fs::create_dir_all(project.join("node_modules/postdate-plugin")).unwrap();
    for (path, (_, content)) in &files {
        std::fs::write(project.join("node_modules/postdate-plugin").join(path.trim_start_matches("package/")), content).unwrap();
    }
    let script = "import { guarded } from 'postdate-plugin/guarded'; import { read } from 'postdate-plugin/http';
        const { body, truncated } = await read(new Response('hello'), 4);
        console.log(await guarded((job) => job.body)({ body, attempt: 1 }), truncated);";
    let said = run(Command::new("node").args(["--input-type=module", "-e", script]).current_dir(&project));
    assert_eq!(said.trim(), "hell true");
}

#[tokio::test]
async fn health_tells_by_its_exit_code_whether_a_server_takes_requests() {
    let server = crate::harness::Server::builder().start().await;
    cli(&["health", "--url", &server.api.url]).await.expect(0).says(&["is ok"]);
    cli(&["health", "--json", "--url", &server.api.url]).await.expect(0).says(&["\"status\":\"ok\""]);
    cli(&["health", "--url", "http://127.0.0.1:1"]).await.expect(1).complains(&["cannot reach http://127.0.0.1:1"]);
}
