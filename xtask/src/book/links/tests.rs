use super::*;

#[test]
fn links_to_missing_files_and_headings_are_broken() {
    let site = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = site.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "docs/a.html",
        "<a href=\"../index.html#top\"></a><a href=\"https://example.com/x\"></a><img src=\"p.svg\"><a href=\"../list\"></a>",
    );
    write("docs/p.svg", "");
    write("list/index.html", "");
    write("index.html", "<h1 id=\"top\"></h1><a href=\"docs/a.html\"></a>");
    let links = check(site.path()).unwrap();
    assert_eq!((links.seen, links.broken), (4, Vec::new()));

    write("index.html", "<h1 id=\"top\"></h1><a href=\"docs/b.html\"></a><a href=\"#bottom\"></a><a href=\"docs\"></a>");
    let broken = check(site.path()).unwrap().broken;
    let said = [
        "index.html: docs/b.html: there is no such file",
        "index.html: docs: there is no such file",
        "index.html: #bottom: there is no such heading",
    ];
    assert_eq!(broken.len(), said.len(), "{broken:?}");
    assert!(said.iter().all(|line| broken.iter().any(|broken| broken == line)), "{broken:?}");
}
