//! Checks that no two modules of a crate in `host/` need each other, directly or indirectly.
//!
//! A file is a module. It needs each module that defines an item that it names, also if it imports the item through a re-export. Tests
//! are not checked. A parent and its children are one subject in several files, so two rules apply to them:
//! - A child may use items of the modules around it. Such a use does not count.
//! - A parent needs a child whose items it uses. Declaring the child (`mod`) or re-exporting from it (`pub use`) does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use postdate_tests::files::texts;

use crate::harness::root;

/// Path of a module below the root of its crate. Empty for the root.
type Module = Vec<String>;

/// A path in a file: each name of a `use` line, and each path in code.
struct Import {
    path: Vec<String>,
    /// Name of the item in this module, from a `use` line. Empty for a path in code.
    name: String,
    is_public: bool,
}

struct Crate {
    imports: BTreeMap<Module, Vec<Import>>,
}

#[test]
fn no_module_of_the_hosts_is_in_a_cycle() {
    let mut cycles = Vec::new();
    for entry in std::fs::read_dir(root().join("host")).expect("host/") {
        let source = entry.expect("an entry").path().join("src");
        let found = Crate::read(&source).cycles();
        cycles.extend(found.into_iter().map(|cycle| format!("{}: {cycle}", source.display())));
    }
    assert!(cycles.is_empty(), "modules that need each other:\n{}", cycles.join("\n"));
}

#[test]
fn a_cycle_is_found_through_reexports_and_through_children() {
    let cycles = |files: &[(&str, &str)]| {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        Crate::read(dir.path()).cycles()
    };
    let lib = ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n");
    assert_eq!(cycles(&[lib, ("a.rs", "use crate::B;"), ("b.rs", "use std::fmt;")]), Vec::<String>::new());
    assert_eq!(cycles(&[lib, ("a.rs", "use crate::B;"), ("b.rs", "use crate::{\n    A,\n    C,\n};")]), ["a, b"]);
    assert_eq!(cycles(&[lib, ("a.rs", "use crate::b::B as Other;"), ("b.rs", "fn f() {\n    use super::a::A;\n}")]), ["a, b"]);

    // `c` needs its child `d`, which needs `e`. There is a cycle only if `e` needs `c`.
    let (lib, parent, child) =
        (("lib.rs", "mod c;\nmod e;"), ("c.rs", "mod d;\nfn f() { d::D::new() }"), ("c/d.rs", "use super::C;\nuse crate::e::E;"));
    assert_eq!(cycles(&[lib, parent, child, ("e.rs", "")]), Vec::<String>::new());
    assert_eq!(cycles(&[lib, parent, child, ("e.rs", "fn f() -> crate::c::C {}")]), ["c, c::d, e"]);
    // A parent that only declares and re-exports its child does not need it.
    let parent = ("c.rs", "mod d;\npub use d::D;");
    assert_eq!(cycles(&[lib, parent, child, ("e.rs", "use crate::c::C;")]), Vec::<String>::new());
}

impl Crate {
    fn read(source: &Path) -> Self {
        let mut imports = BTreeMap::new();
        for (path, text) in texts(source, &["rs"]) {
            let module = path.strip_prefix(source).expect("below").with_extension("");
            let mut module: Module = module.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.iter().any(|part| part == "tests" || part == "bin") {
                continue;
            }
            if module == ["lib"] || module == ["main"] {
                module.clear();
            }
            imports.entry(module).or_insert_with(Vec::new).extend(uses(&text));
        }
        Self { imports }
    }

    /// Returns each group of modules that reach each other, as text.
    fn cycles(&self) -> Vec<String> {
        let needs: BTreeMap<&Module, BTreeSet<Module>> = self.imports.keys().map(|module| (module, self.needs(module))).collect();
        let reach = |from: &Module| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                let new = needs.get(&module).into_iter().flatten().filter(|needed| seen.insert((*needed).clone()));
                next.extend(new.cloned().collect::<Vec<_>>());
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> = self.imports.keys().map(|module| (module, reach(module))).collect();
        let group = |module: &Module| -> Vec<String> {
            let mutual = |other: &&&Module| reached[module].contains(**other) && reached[*other].contains(module);
            self.imports.keys().collect::<Vec<_>>().iter().filter(mutual).map(|module| text(module)).collect()
        };
        let groups: BTreeSet<Vec<String>> = self.imports.keys().map(group).collect();
        groups.into_iter().filter(|group| group.len() > 1).map(|group| group.join(", ")).collect()
    }

    fn needs(&self, module: &Module) -> BTreeSet<Module> {
        let imports = self.imports[module].iter();
        let needed = imports.filter_map(|import| {
            let needed = self.definer(module, &import.path, 0)?;
            let is_reexport = import.is_public && needed.starts_with(module);
            (!is_reexport && !module.starts_with(&needed)).then_some(needed)
        });
        needed.collect()
    }

    /// Returns the module that defines the item `path` of `module`, or `None` if another crate defines it.
    fn definer(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut found, rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..])
            }
            first => (self.child(module, first).is_some().then(|| module.clone())?, path),
        };
        for (index, part) in rest.iter().enumerate() {
            if let Some(child) = self.child(&found, part) {
                found = child;
                continue;
            }
            let reexport = self.imports[&found].iter().find(|import| import.name == *part);
            let Some(reexport) = reexport.filter(|_| depth < 10) else { break };
            let path = [&reexport.path[..], &rest[index + 1..]].concat();
            return self.definer(&found, &path, depth + 1);
        }
        Some(found)
    }

    fn child(&self, module: &Module, name: &str) -> Option<Module> {
        let child = [&module[..], &[name.to_owned()]].concat();
        self.imports.contains_key(&child).then_some(child)
    }
}

fn text(module: &Module) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { module.join("::") }
}

/// Returns the imports of a file, and the paths in its code.
fn uses(text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    while let Some(line) = lines.next() {
        let is_public = line.starts_with("pub");
        let after = if is_public { line.split_once(' ').map_or("", |(_, after)| after) } else { line };
        let Some(tree) = after.strip_prefix("use ") else {
            imports.extend(paths(line));
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            let Some(line) = lines.next() else { break };
            tree += line;
        }
        expand(&[], tree.trim_end_matches(';'), is_public, &mut imports);
    }
    imports
}

/// Returns the paths of more than one part in a line of code.
fn paths(line: &str) -> impl Iterator<Item = Import> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.contains("::")).map(|word| Import { path: parts(word), name: String::new(), is_public: false })
}

/// Adds each path of a tree such as `a::{b, c::{d, e}}`.
fn expand(before: &[String], tree: &str, is_public: bool, imports: &mut Vec<Import>) {
    if let Some((path, group)) = tree.split_once('{') {
        let before = [before, &parts(path)].concat();
        let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
        let (mut depth, mut start) = (0, 0);
        for (index, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !group[start..index].trim().is_empty() {
                        expand(&before, group[start..index].trim(), is_public, imports);
                    }
                    start = index + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim().to_owned())));
    let mut path = [before, &parts(path)].concat();
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    let Some(name) = alias.or_else(|| path.last().cloned()) else { return };
    imports.push(Import { path, name, is_public });
}

fn parts(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
