//! How long `cargo xtask codegen` and `cargo xtask import` take as pages grow.
//!
//! Whole programs are measured, as a contributor waits for them, beside two floors of the same run: pulldown-cmark reading the same page and doing nothing with it, and a plain reading and writing of the same bytes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bench_shared::{Times, program, root, timed};
use pulldown_cmark::{Options, Parser};

/// Rows of a page, and how often it is measured.
const PAGES: &[(usize, usize)] = &[(100, 31), (1_000, 21), (10_000, 11)];
/// The most that the largest page may take, in milliseconds.
const CODEGEN_TARGET: f64 = 1_000.0;

/// Pages that a service would never write: how they begin, and what they repeat.
const HOSTILE: &[(&str, &str)] =
    &[("", "<"), ("", "Response 400 Bad Request Err1 {\"code\""), ("", "7"), ("", "|"), ("<!doctype html>", "<b>")];
const HOSTILE_BYTES: usize = 10_000_000;
const HOSTILE_RUNS: usize = 3;
const SERVICES: &[&str] = &["klikoo", "prakerja", "sehatmu"];
/// The most that such a page may take, in milliseconds.
const IMPORT_TARGET: f64 = 2_000.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [] => measure(false),
        [only] if only == "--json" => measure(true),
        _ => Err("it takes `--json`, one line for each subject, or nothing".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every target is met.
fn measure(json: bool) -> Result<bool, String> {
    let xtask = build()?;
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let mut starts = Times::default();
    for _ in 0..21 {
        let (status, time) = program(Command::new(&xtask).arg("--help").stdout(Stdio::null()))?;
        if status.and_then(|status| status.code()) != Some(0) {
            return Err("`xtask --help` fails".to_owned());
        }
        starts.add(time);
    }
    let pages: Vec<Page> =
        PAGES.iter().map(|(rows, runs)| page(&xtask, folder.path(), *rows, *runs)).collect::<Result<_, _>>()?;
    let imports = imports(&xtask, folder.path())?;
    if json {
        print_json(&starts, &pages, &imports);
    } else {
        print_tables(&starts, &pages, &imports);
    }
    let largest = pages.last().map_or(f64::MAX, |page| page.codegen.median());
    Ok(largest < CODEGEN_TARGET && imports.iter().all(Import::is_in_time))
}

/// Builds the program that is measured, and says where it is.
fn build() -> Result<PathBuf, String> {
    eprintln!("building xtask in release");
    let target = root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--quiet", "--package", "xtask", "--target-dir"]).arg(&target);
    let status = cargo.current_dir(root()).status().map_err(|error| format!("cannot start cargo: {error}"))?;
    let xtask = target.join("release/xtask").with_extension(std::env::consts::EXE_EXTENSION);
    if status.success() {
        Ok(xtask)
    } else {
        Err("xtask does not compile in release; `cargo build --release --package xtask` in the root says why".to_owned())
    }
}

struct Page {
    rows: usize,
    written: usize,
    codegen: Times,
    markdown: Times,
    files: Times,
}

/// Generates the enum of a page of so many rows, several times.
fn page(xtask: &Path, folder: &Path, rows: usize, runs: usize) -> Result<Page, String> {
    eprintln!("codegen, {rows} rows");
    let folder = folder.join(rows.to_string());
    let source = folder.join("docs/providers/big.md");
    let generated = folder.join("crates/provider-big/src/error/generated.rs");
    let manifest = "[package]\nname = \"provider-big\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    put(&folder.join("crates/provider-big/Cargo.toml"), manifest)?;
    put(&folder.join("crates/provider-big/src/error.rs"), "#[rustfmt::skip]\nmod generated;\n")?;
    put(&source, &table(rows))?;

    let mut page = Page { rows, written: 0, codegen: Times::default(), markdown: Times::default(), files: Times::default() };
    // The first run warms the caches and is not counted.
    for run in 0..=runs {
        if run > 0 {
            fs::remove_file(&generated).map_err(|error| format!("cannot remove the generated file: {error}"))?;
        }
        let mut command = Command::new(xtask);
        command.arg("--root").arg(&folder).arg("codegen").stdout(Stdio::null());
        let (status, codegen) = program(&mut command)?;
        if status.and_then(|status| status.code()) != Some(0) {
            return Err(format!("codegen of {rows} rows: {}", shown(status.and_then(|status| status.code()))));
        }
        let text = get(&generated)?;
        let variants = variants(&text);
        if variants != rows {
            return Err(format!("codegen of {rows} rows wrote {variants} variants"));
        }
        let ((), markdown) = timed(|| {
            let text = get(&source)?;
            std::hint::black_box(Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter().count());
            Ok(())
        })?;
        let ((), files) = timed(|| {
            std::hint::black_box(get(&source)?);
            put(&folder.join("copy.rs"), &text)
        })?;
        page.written = text.len();
        if run > 0 {
            page.codegen.add(codegen);
            page.markdown.add(markdown);
            page.files.add(files);
        }
    }
    Ok(page)
}

/// A page with so many codes, each with all that a row can have.
fn table(rows: usize) -> String {
    let mut text = String::from(
        "# Big\n\n<!-- codegen: errors BigErrorCode -->\n\n\
        | code | HTTP status | name | message | meaning | arti | kind | remedy |\n|---|---|---|---|---|---|---|---|\n",
    );
    let outcomes = [
        ("client refused", "fix configuration"),
        ("login required", "log in again"),
        ("rate limited", "wait"),
        ("server", "retry"),
        ("token refused", "refresh"),
    ];
    for (row, (kind, remedy)) in (0..rows).zip(outcomes.iter().cycle()) {
        let status = 400 + row % 100;
        // A write to a string does not fail.
        let _ = writeln!(
            text,
            "| <a id=\"big{row:05}\"></a>`BIG{row:05}` | {status} | `ErrCase{row:05}` | Case {row} was refused \\| try again | \
            the service refused case {row}, as its `state` is over | layanan menolak kasus {row}, karena `state` sudah lewat | \
            {kind} | {remedy} |"
        );
    }
    text
}

/// How many variants the generated enum has, without the one for unknown codes.
fn variants(text: &str) -> usize {
    let body =
        text.split_once("pub enum BigErrorCode {").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |(body, _)| body);
    body.lines().map(str::trim).filter(|line| line.starts_with("Case") && line.ends_with(',')).count()
}

struct Import {
    service: &'static str,
    repeats: &'static str,
    /// `None` if it had to be stopped.
    status: Option<i32>,
    times: Times,
}

impl Import {
    /// Whether it found fault with the page or refused it, and soon: no such page is the one that a table was made of.
    fn is_in_time(&self) -> bool {
        matches!(self.status, Some(1 | 2)) && self.times.median() < IMPORT_TARGET
    }
}

/// Reads pages that are made to keep a reader busy.
fn imports(xtask: &Path, folder: &Path) -> Result<Vec<Import>, String> {
    let folder = folder.join("import");
    for service in SERVICES {
        let page = format!("docs/providers/{service}.md");
        put(&folder.join(&page), &get(&root().join(&page))?)?;
    }
    let mut imports = Vec::new();
    for (begins, repeats) in HOSTILE {
        let text = format!("{begins}{}", repeats.repeat(HOSTILE_BYTES.div_ceil(repeats.len())));
        let file = folder.join("page.txt");
        put(&file, text.get(..HOSTILE_BYTES).unwrap_or(&text))?;
        for service in SERVICES {
            eprintln!("import {service}, 10 MB of `{repeats}`");
            let mut import = Import { service, repeats, status: None, times: Times::default() };
            for _ in 0..HOSTILE_RUNS {
                let mut command = Command::new(xtask);
                command.arg("--root").arg(&folder).args(["import", service]).arg(&file);
                let (status, time) = program(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
                import.status = status.and_then(|status| status.code());
                import.times.add(time);
                if status.is_none() {
                    break;
                }
            }
            imports.push(import);
        }
    }
    Ok(imports)
}

fn print_tables(starts: &Times, pages: &[Page], imports: &[Import]) {
    println!("codegen, the whole program; `xtask --help`, which only starts, takes {:.1} ms", starts.median());
    println!();
    println!("|   rows | median ms | best ms | bytes written | µs a row | to the row above | pulldown-cmark ms | copy ms |");
    println!("|-------:|----------:|--------:|--------------:|---------:|-----------------:|------------------:|--------:|");
    let mut above = None;
    for page in pages {
        let (median, best) = (page.codegen.median(), page.codegen.best());
        let (markdown, files) = (page.markdown.median(), page.files.median());
        let each = a_row(page);
        let ratio = above.map_or_else(String::new, |above: f64| format!("{:.2}", each / above));
        println!(
            "| {:>6} | {median:>9.1} | {best:>7.1} | {:>13} | {each:>8.1} | {ratio:>16} | {markdown:>17.2} | {files:>7.2} |",
            page.rows, page.written
        );
        above = Some(each);
    }
    if let Some(page) = pages.last() {
        let median = page.codegen.median();
        println!("\nTarget: {} rows under {CODEGEN_TARGET:.0} ms: {}.", page.rows, met(median < CODEGEN_TARGET));
    }
    println!("\nimport of {HOSTILE_BYTES} bytes that repeat one thing\n");
    println!("| repeats                                  | service  | median ms | best ms | exit status |");
    println!("|------------------------------------------|----------|----------:|--------:|-------------|");
    for import in imports {
        let (median, best) = (import.times.median(), import.times.best());
        let (repeats, service, status) =
            (format!("`{}`", import.repeats.replace('|', "\\|")), import.service, shown(import.status));
        println!("| {repeats:<40} | {service:<8} | {median:>9.1} | {best:>7.1} | {status:<11} |");
    }
    println!("\nTarget: each under {IMPORT_TARGET:.0} ms: {}.", met(imports.iter().all(Import::is_in_time)));
}

fn print_json(starts: &Times, pages: &[Page], imports: &[Import]) {
    let line = |subject: &str, more: &str, times: &Times| {
        let (median, best, runs) = (times.median(), times.best(), times.runs());
        println!("{{\"subject\":\"{subject}\"{more},\"runs\":{runs},\"median_ms\":{median:.3},\"best_ms\":{best:.3}}}");
    };
    line("start", "", starts);
    for page in pages {
        let rows = format!(",\"rows\":{}", page.rows);
        line("codegen", &format!("{rows},\"bytes_written\":{},\"us_per_row\":{:.3}", page.written, a_row(page)), &page.codegen);
        line("pulldown-cmark", &rows, &page.markdown);
        line("copy", &rows, &page.files);
    }
    for import in imports {
        let repeats = import.repeats.replace('"', "\\\"");
        let status = import.status.map_or_else(|| "null".to_owned(), |status| status.to_string());
        let more = format!(",\"service\":\"{}\",\"repeats\":\"{repeats}\",\"exit_status\":{status}", import.service);
        line("import", &more, &import.times);
    }
}

/// Microseconds for each row.
fn a_row(page: &Page) -> f64 {
    page.codegen.median() * 1000.0 / page.rows as f64
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn shown(status: Option<i32>) -> String {
    status.map_or_else(|| "none: it was stopped".to_owned(), |status| status.to_string())
}

fn get(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}
