//! Plugins that take long to compile or are large, and the compiler processes of a server.

use std::path::PathBuf;

use super::guest;

/// Size of a slow function: each branch may change one of the variables. A compiler tracks each variable at each branch, so the
/// cost grows with the product. These values take about 0.5 s and 200 MiB.
const BRANCHES: usize = 4000;
const VARIABLES: usize = 400;

/// Returns a guest with this many unused slow functions. Its behaviour is unchanged.
pub fn slow(name: &str, functions: usize) -> Vec<u8> {
    // (loop (if (local.get a) (then (local.set b (i32.add (local.get a) (local.get 0))))) … (br_if 0 (local.get 1)))
    let mut code = vec![0x03, 0x40];
    for n in 0..BRANCHES {
        let (a, b) = (leb(1 + n * 7 % VARIABLES), leb(1 + n * 13 % VARIABLES));
        code.extend([&[0x20][..], &a, &[0x04, 0x40, 0x20], &a, &[0x20, 0, 0x6a, 0x21], &b, &[0x0b]].concat());
    }
    code.extend([0x20, 1, 0x0d, 0, 0x0b, 0x20, 1, 0x0b]);
    let body = [&leb(1)[..], &leb(VARIABLES), &[0x7f], &code].concat();
    let function = [leb(body.len()), body].concat();
    let types = section(1, &[&leb(1)[..], &[0x60, 1, 0x7f, 1, 0x7f]].concat());
    let declared = section(3, &[leb(functions), vec![0; functions]].concat());
    let bodies = section(10, &[leb(functions), function.repeat(functions)].concat());
    with_module(name, &[types, declared, bodies].concat())
}

/// Returns a guest with this many unused bytes, which compile to nothing.
pub fn large(name: &str, bytes: usize) -> Vec<u8> {
    with_module(name, &section(0, &[&leb(1)[..], b"x", &vec![0; bytes]].concat()))
}

/// Returns a guest with an unused core module of these sections added.
pub fn with_module(name: &str, sections: &[u8]) -> Vec<u8> {
    let component = std::fs::read(guest(name)).expect("the guest");
    [component, section(1, &[b"\0asm\x01\0\0\0", sections].concat())].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Returns the directory in `/proc` of the compiler process that `parent` started for a component of `component` bytes.
pub fn child_of(parent: u32, component: usize) -> Option<PathBuf> {
    let work = format!("\"bytes\":{component},");
    std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).map(|entry| entry.path()).find(|place| {
        let text = |file| std::fs::read_to_string(place.join(file)).unwrap_or_default();
        // In `stat`, state and parent follow the name in brackets.
        let stat = text("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.first() != Some(&"Z") && fields.get(1) == Some(&&*parent.to_string()) && text("cmdline").contains(&work)
    })
}
