//! The image, which buildah makes without a daemon. Its base is empty: the C library and the certificate authorities come from packages of
//! Debian or Ubuntu, as files.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use postdate_toolchains::debian;

use super::{Release, VERSION, emptied, platform::Platform, require, tools, write as write_file};
use crate::step::{output, root, step};

/// Packages whose files are in the image.
const PACKAGES: [&str; 3] = ["libc6", "libgcc-s1", "ca-certificates"];
/// Directories that every user may write to.
const TEMPORARY: [&str; 2] = ["tmp", "var/tmp"];
/// The user of the image, see `Containerfile`.
const USERS: &str = "root:x:0:0::/root:/none\npostdate:x:65532:65532::/var/lib/postdate:/none\n";
const GROUPS: &str = "root:x:0:\npostdate:x:65532:\n";

/// Returns `true` if this system can make an image for the platform.
pub fn is_possible(platform: Platform) -> bool {
    let is_root = output(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
    platform.is_linux() && platform.is_own() && is_root && output(Command::new("dpkg-deb").arg("--version")).is_some()
}

/// Writes the image as a compressed archive for `docker load` and `podman load`. Returns its path.
///
/// # Errors
/// If the system is not Debian or Ubuntu, this process does not run as root, or a program does not start in the image.
pub fn write(release: &Release, out: &Path) -> Result<PathBuf> {
    require(is_possible(release.platform), "an image is made on Debian or Ubuntu, as root, for this machine's architecture")?;
    if output(Command::new("buildah").arg("--version")).is_none() {
        debian::install(&["buildah"])?;
    }
    let context = emptied("image")?;
    fill(&context.join("root"), release)?;
    fs::create_dir_all(context.join("data/use-cases"))?;
    let storage = tools().join("containers");
    let buildah = |words: &[&str]| {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(storage.join("storage")).arg("--runroot").arg(storage.join("run")).args(["--storage-driver", "vfs"]);
        buildah.args(words);
        buildah
    };
    let name = format!("localhost/postdate:{VERSION}");
    let mut build = buildah(&["build", "--quiet", "--isolation", "chroot", "--timestamp", "0"]);
    // OCI's own format has no health check.
    build.args(["--format", "docker", "--tag", &name, "--file"]).arg(root().join("xtask/dist/Containerfile")).arg(&context);
    step("Building the image", &mut build)?;
    let container = output(&mut buildah(&["from", &name])).context("cannot make a container of the image")?;
    let run = step("Running the image", &mut buildah(&["run", "--isolation", "chroot", &container, "/usr/bin/postdate", "--version"]));
    let removed = step("Removing the container", &mut buildah(&["rm", &container]));
    run.and(removed)?;
    let archive = context.with_extension("tar");
    // An archive that exists would be extended.
    if archive.exists() {
        fs::remove_file(&archive)?;
    }
    step(
        "Writing the image",
        &mut buildah(&["push", "--quiet", &name, &format!("docker-archive:{}:postdate:{VERSION}", archive.display())]),
    )?;
    let path = out.join(format!("postdate-{VERSION}-{}-image.tar.gz", release.platform.arch()));
    compress(&archive, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn compress(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut gzip = GzEncoder::new(File::create(to)?, Compression::default());
    std::io::copy(&mut File::open(from)?, &mut gzip)?;
    gzip.finish()?;
    Ok(())
}

/// Fills the directory of the image's files.
fn fill(image: &Path, release: &Release) -> Result<()> {
    let packages = unpacked()?;
    let program = image.join("usr/bin/postdate");
    fs::create_dir_all(image.join("usr/bin"))?;
    fs::copy(release.program, &program).with_context(|| format!("cannot copy {}", release.program.display()))?;
    copy_libraries(&packages, image)?;
    write_file(&image.join("etc/ssl/certs/ca-certificates.crt"), &authorities(&packages)?)?;
    for package in PACKAGES {
        let licence = format!("usr/share/doc/{package}/copyright");
        let content = fs::read(packages.join(&licence)).with_context(|| format!("{package} has no licence"))?;
        write_file(&image.join(&licence), &content)?;
    }
    for (name, content) in &release.notices {
        write_file(&image.join("usr/share/doc/postdate").join(name), content)?;
    }
    write_file(&image.join("usr/share/doc/postdate/LICENSE"), &super::read("LICENSE")?)?;
    write_file(&image.join("etc/passwd"), USERS.as_bytes())?;
    write_file(&image.join("etc/group"), GROUPS.as_bytes())?;
    // Its directory for the server's data comes with another owner.
    fs::create_dir_all(image.join("var/lib"))?;
    for directory in TEMPORARY {
        fs::create_dir_all(image.join(directory))?;
        fs::set_permissions(image.join(directory), fs::Permissions::from_mode(0o1777))?;
    }
    Ok(())
}

/// Downloads and unpacks the packages. Returns the directory.
fn unpacked() -> Result<PathBuf> {
    let (archives, files) = (emptied("packages")?, emptied("packages-unpacked")?);
    unpack(&PACKAGES, &archives, &files)?;
    // The documents of libgcc-s1 are those of another package, whose name has a version.
    if let Ok(base) = fs::read_link(files.join("usr/share/doc/libgcc-s1")) {
        unpack(&[&base.to_string_lossy()], &archives, &files)?;
    }
    Ok(files)
}

fn unpack(packages: &[&str], archives: &Path, files: &Path) -> Result<()> {
    let mut download = Command::new("apt-get");
    // apt's own user may not write to the directory, and apt warns of that.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(packages).current_dir(archives);
    step(&format!("Downloading {}", packages.join(", ")), &mut download)?;
    for archive in fs::read_dir(archives)? {
        let archive = archive?.path();
        step("Unpacking", Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(files))?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    }
    Ok(())
}

/// Copies the shared libraries, without locales and conversions of encodings.
fn copy_libraries(packages: &Path, image: &Path) -> Result<()> {
    let directory = format!("lib/{}-linux-gnu", env::consts::ARCH);
    // Newer packages have everything below `usr`, and the linker's path begins with `/lib`: a link has both.
    let target = image.join("usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH));
    fs::create_dir_all(&target)?;
    let mut copied = 0;
    for from in [packages.join(&directory), packages.join("usr").join(&directory)] {
        for entry in fs::read_dir(&from).into_iter().flatten() {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if name.to_string_lossy().contains(".so") && path.is_file() {
                fs::copy(&path, target.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
                copied += 1;
            }
        }
    }
    if copied == 0 {
        bail!("the packages have no libraries in {directory}");
    }
    symlink("usr/lib", image.join("lib"))?;
    // The place of the dynamic linker, from the ABI of each architecture.
    if env::consts::ARCH == "x86_64" {
        fs::create_dir_all(image.join("usr/lib64"))?;
        symlink("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", image.join("usr/lib64/ld-linux-x86-64.so.2"))?;
        symlink("usr/lib64", image.join("lib64"))?;
    } else {
        symlink("aarch64-linux-gnu/ld-linux-aarch64.so.1", image.join("usr/lib/ld-linux-aarch64.so.1"))?;
    }
    Ok(())
}

/// Returns the certificate authorities as one file of PEM, as `update-ca-certificates` makes it.
fn authorities(packages: &Path) -> Result<Vec<u8>> {
    let directory = packages.join("usr/share/ca-certificates/mozilla");
    let mut certificates: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    certificates.sort();
    let mut all = Vec::new();
    for certificate in certificates {
        all.extend(fs::read(&certificate).with_context(|| format!("cannot read {}", certificate.display()))?);
    }
    Ok(all)
}
