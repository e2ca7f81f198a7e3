use super::*;

const SUMMARY_TEXT: &str = "# Title\n\n[Start](../README.md)\n\n- [Guide](guide.md)\n";

#[test]
fn the_summary_names_pages_from_the_repositorys_root() {
    assert_eq!(pages(SUMMARY_TEXT), [PathBuf::from("README.md"), PathBuf::from("docs/guide.md")].into());
    assert!(from_the_root(SUMMARY_TEXT).contains("[Start](README.md)"));
}

#[test]
fn links_to_files_are_found_outside_of_code() {
    let page = "[a](a.md#b), ![c](c.svg), [d](https://example.com), [e](#e)\n```\n[f](f.md)\n```\n";
    assert_eq!(targets(page), ["a.md", "c.svg"]);
}

#[test]
fn a_path_out_of_the_repository_is_refused() {
    assert_eq!(normal(Path::new("docs/../wit/postdate.wit")).unwrap(), Path::new("wit/postdate.wit"));
    assert!(normal(Path::new("docs/../../elsewhere")).is_err());
}

#[test]
fn a_directory_becomes_a_list_of_its_files() {
    let page = list(Path::new("a/b"), &[PathBuf::from("a/b/c/d.rs")]);
    assert!(page.contains("<h1>a/b</h1>") && page.contains("<a href=\"c/d.rs\">c/d.rs</a>"), "{page}");
}
