//! How long files and functions are. Only lines of code count: neither blank lines nor comments, so that nobody saves on
//! words; and no tests, so that nobody saves on those.

use super::source::Source;
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Lines of a file, without its tests.
pub(crate) const FILE_LINES_MAX: usize = 450;
/// Lines of code of a function.
pub(crate) const FUNCTION_LINES_MAX: usize = 60;
/// Above this a function should be one straight story; they are counted, not refused.
const FUNCTION_LINES_AIM: usize = 35;

/// What was measured: lines by file (`path`) and by function (`path::name`).
#[derive(Default)]
pub(crate) struct Measured {
    /// Lines of each file, tests left out.
    pub(crate) files: BTreeMap<String, usize>,
    /// Lines of code of each function; of several with one name in one file, the longest.
    pub(crate) functions: BTreeMap<String, usize>,
}

impl Measured {
    /// One line for the person who runs it.
    pub(crate) fn summary(&self) -> String {
        let long = self
            .functions
            .values()
            .filter(|&&lines| lines > FUNCTION_LINES_AIM)
            .count();
        format!(
            "{} Rust files, {} lines without tests; {} functions, {long} of them over {FUNCTION_LINES_AIM} lines, the longest {}",
            self.files.len(),
            self.files.values().sum::<usize>(),
            self.functions.len(),
            self.functions.values().max().unwrap_or(&0),
        )
    }
}

/// Measures every Rust file that is not a test.
pub(crate) fn measure(sources: &[Source], complaints: &mut Vec<String>) -> Measured {
    let mut measured = Measured::default();
    for source in sources
        .iter()
        .filter(|source| source.is_rust() && !source.is_test())
    {
        match syn::parse_file(&source.text) {
            Ok(file) => measure_file(source, &file, &mut measured),
            Err(error) => complaints.push(format!("{}: cannot be parsed: {error}", source.path)),
        }
    }
    measured
}

fn measure_file(source: &Source, file: &syn::File, measured: &mut Measured) {
    let code: Vec<bool> = source.text.lines().map(is_code).collect();
    let mut functions = Functions {
        path: &source.path,
        code: &code,
        scope: Vec::new(),
        test_lines: 0,
        lines: BTreeMap::new(),
    };
    functions.visit_file(file);
    let lines = code.len() - functions.test_lines;
    measured.files.insert(source.path.clone(), lines);
    measured.functions.append(&mut functions.lines);
}

/// Neither blank nor a comment. A line inside a block comment counts as code: the project writes line comments.
fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Walks one file and notes its functions, passing over tests.
struct Functions<'a> {
    path: &'a str,
    code: &'a [bool],
    /// The types and modules around the current place.
    scope: Vec<String>,
    test_lines: usize,
    lines: BTreeMap<String, usize>,
}

impl Functions<'_> {
    /// From the signature to the closing brace: attributes and documentation are not its length.
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (lines_of(signature).0, lines_of(block).1);
        let count = self.code[first - 1..last.min(self.code.len())]
            .iter()
            .filter(|&&code| code)
            .count();
        let scope: String = self.scope.iter().map(|part| format!("{part}::")).collect();
        let longest = self
            .lines
            .entry(format!("{}::{scope}{}", self.path, signature.ident))
            .or_default();
        *longest = count.max(*longest);
    }

    fn pass_over(&mut self, whole: &impl Spanned) {
        let (first, last) = lines_of(whole);
        self.test_lines += last + 1 - first;
    }

    fn inside(&mut self, name: String, walk: impl FnOnce(&mut Self)) {
        self.scope.push(name);
        walk(self);
        self.scope.pop();
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_for_tests(&item.attrs) {
            self.pass_over(item);
        } else {
            self.inside(item.ident.to_string(), |walk| {
                syn::visit::visit_item_mod(walk, item)
            });
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_for_tests(&item.attrs) {
            self.pass_over(item);
            return;
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path
                .path
                .segments
                .last()
                .map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.inside(name.unwrap_or_else(|| "impl".to_owned()), |walk| {
            syn::visit::visit_item_impl(walk, item)
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if is_for_tests(&item.attrs) {
            self.pass_over(item);
            return;
        }
        self.note(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_for_tests(&item.attrs) {
            self.pass_over(item);
            return;
        }
        self.note(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.note(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

/// First and last line, counted from one.
fn lines_of(whole: &impl Spanned) -> (usize, usize) {
    let span = whole.span();
    (span.start().line, span.end().line)
}

/// `#[test]`, `#[cfg(test)]`, `#[tokio::test]`: whatever names `test` in an attribute, but not in its negation.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let tokens = list.tokens.to_string();
            tokens
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "test")
                && !tokens.contains("not")
        }
        syn::Meta::List(list) => list
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "test"),
        syn::Meta::NameValue(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Measured {
        let source = Source {
            path: "a.rs".to_owned(),
            text: text.to_owned(),
        };
        let mut complaints = Vec::new();
        let measured = measure(&[source], &mut complaints);
        assert_eq!(complaints, Vec::<String>::new());
        measured
    }

    #[test]
    fn blank_lines_comments_and_documentation_are_not_length() {
        let measured = measured("/// Says.\n#[inline]\nfn one() {\n\n    // why\n    two();\n}\n");
        assert_eq!(measured.functions["a.rs::one"], 3);
        assert_eq!(measured.files["a.rs"], 7);
    }

    #[test]
    fn tests_are_not_length() {
        let measured =
            measured("fn one() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two() {}\n}\n");
        assert_eq!(measured.files["a.rs"], 1);
        assert_eq!(measured.functions.keys().collect::<Vec<_>>(), ["a.rs::one"]);
    }

    #[test]
    fn a_method_is_named_by_its_type() {
        let measured = measured("struct A;\nimpl A {\n    fn one(&self) {\n    }\n}\n");
        assert_eq!(measured.functions["a.rs::A::one"], 2);
    }
}
