//! Plugins that take long to compile, and the processes that do it.

use std::path::PathBuf;

use super::guest;

/// A function of this many branches, each of which may change one of this many variables: what a compiler has to know of each
/// variable at each branch grows with the product. Takes about half a second, and 200 MiB.
const BRANCHES: usize = 4000;
const VARIABLES: usize = 400;

/// A guest with dead weight of `functions` that are hard to compile: it does what it did, once that is done.
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

/// A guest, with a core module of these sections that nothing uses.
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

/// The place in `/proc` of a compiler that `parent` has started for a component of that length.
pub fn child_of(parent: u32, component: usize) -> Option<PathBuf> {
    let work = format!("\"bytes\":{component},");
    std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).map(|entry| entry.path()).find(|place| {
        let text = |file| std::fs::read_to_string(place.join(file)).unwrap_or_default();
        // After the name in brackets: the state, and the parent.
        let stat = text("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.first() != Some(&"Z") && fields.get(1) == Some(&&*parent.to_string()) && text("cmdline").contains(&work)
    })
}
