//! One set of figures, as a Markdown table for people and as lines of JSON for programs.

use std::fmt::{self, Write as _};

/// What one mode measured.
#[derive(Debug)]
pub struct Report {
    mode: &'static str,
    title: String,
    columns: Vec<Column>,
    rows: Vec<(String, Vec<Cell>)>,
    notes: Vec<String>,
    targets: Vec<Target>,
}

/// A column of figures.
#[derive(Debug)]
pub struct Column {
    /// Its heading, for people.
    pub heading: String,
    /// Its name, for programs.
    pub key: String,
    /// How many digits people see after the point.
    pub decimals: usize,
}

impl Column {
    /// Joins its parts.
    pub fn new(heading: impl Into<String>, key: impl Into<String>, decimals: usize) -> Self {
        Self { heading: heading.into(), key: key.into(), decimals }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is none; a note says why.
    Missing,
    /// A number.
    Number(f64),
    /// What is no number.
    Text(String),
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Missing }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Missing, Self::from)
    }
}

/// What our own subject must reach.
#[derive(Clone, Debug)]
pub struct Target {
    /// What is measured.
    pub what: String,
    /// The most that it may come to.
    pub limit: f64,
    /// What both numbers count.
    pub unit: &'static str,
    /// What it came to; NaN if it could not be measured.
    pub figure: f64,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every target is met.
    #[default]
    Met,
    /// A target is missed.
    Missed,
    /// A target could not be measured.
    NotMeasured,
}

impl Verdict {
    /// The exit status that says so.
    pub fn exit_status(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::NotMeasured => "**not measured**",
        })
    }
}

impl Target {
    /// Whether it is met.
    pub fn verdict(&self) -> Verdict {
        match self.figure {
            figure if figure.is_nan() => Verdict::NotMeasured,
            figure if figure <= self.limit => Verdict::Met,
            _ => Verdict::Missed,
        }
    }
}

impl Report {
    /// An empty one. `title` is a sentence for people.
    pub fn new(mode: &'static str, title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { mode, title: title.into(), columns, rows: Vec::new(), notes: Vec::new(), targets: Vec::new() }
    }

    /// Adds a subject with a figure for each column.
    pub fn row(&mut self, subject: impl Into<String>, cells: Vec<Cell>) {
        self.rows.push((subject.into(), cells));
    }

    /// Adds a subject that has no figures, and why.
    pub fn left_out(&mut self, subject: impl Into<String>, reason: impl fmt::Display) {
        let subject = subject.into();
        self.note(format!("{subject}: {reason}."));
        self.rows.push((subject, vec![Cell::Missing; self.columns.len()]));
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a target; NaN is a figure that could not be measured.
    pub fn target(&mut self, what: impl Into<String>, limit: f64, unit: &'static str, figure: f64) {
        self.targets.push(Target { what: what.into(), limit, unit, figure });
    }

    /// The worst of its targets.
    pub fn verdict(&self) -> Verdict {
        self.targets.iter().map(Target::verdict).max().unwrap_or_default()
    }

    /// For people, and to be pasted into a page as it is.
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.mode, self.title);
        let mut lines =
            vec![std::iter::once("subject".to_owned()).chain(self.columns.iter().map(|column| column.heading.clone())).collect()];
        for (subject, cells) in &self.rows {
            let cells = self.columns.iter().zip(cells).map(|(column, cell)| match cell {
                Cell::Missing => "–".to_owned(),
                Cell::Number(number) => format!("{number:.*}", column.decimals),
                Cell::Text(text) => text.clone(),
            });
            lines.push(std::iter::once(subject.clone()).chain(cells).collect());
        }
        write_table(&mut text, &lines);
        for note in &self.notes {
            // A write to a string does not fail, here and below.
            let _ = write!(text, "\n- {note}");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        if !self.targets.is_empty() {
            text.push('\n');
            let mut lines = vec![["target", "at most", "measured", ""].map(str::to_owned).to_vec()];
            lines.extend(self.targets.iter().map(|target| {
                let figure = if target.figure.is_nan() { "–".to_owned() } else { plain(target.figure) };
                vec![
                    target.what.clone(),
                    format!("{} {}", plain(target.limit), target.unit),
                    figure,
                    target.verdict().to_string(),
                ]
            }));
            write_table(&mut text, &lines);
        }
        text
    }

    /// For programs: a line for each subject.
    pub fn json_lines(&self) -> String {
        let mut text = String::new();
        for (subject, cells) in &self.rows {
            let _ = write!(text, "{{\"mode\":{},\"subject\":{}", quoted(self.mode), quoted(subject));
            for (column, cell) in self.columns.iter().zip(cells) {
                let _ = write!(text, ",{}:", quoted(&column.key));
                let _ = match cell {
                    Cell::Missing => write!(text, "null"),
                    Cell::Number(number) => write!(text, "{number}"),
                    Cell::Text(value) => write!(text, "{}", quoted(value)),
                };
            }
            text.push_str("}\n");
        }
        text
    }

    /// The targets alone, for a run whose output is for programs.
    pub fn target_lines(&self) -> String {
        let line = |target: &Target| {
            let (what, limit, unit) = (&target.what, plain(target.limit), target.unit);
            format!("{}: {what}: {} (at most {limit} {unit}): {}\n", self.mode, plain(target.figure), target.verdict())
        };
        self.targets.iter().map(line).collect()
    }
}

/// As few digits as tell it apart from its limit.
fn plain(number: f64) -> String {
    let text = format!("{number:.2}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The first column to the left, the others to the right, all as wide as they need to be.
fn write_table(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = if column == 0 { write!(text, "|-{:-<width$}-", "") } else { write!(text, "|-{:-<width$}:", "") };
            }
            text.push_str("|\n");
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("hot", "A cached call.", vec![Column::new("ns", "ns", 1), Column::new("who", "who", 0)]);
        report.row("a \"b\"\n", vec![1.25.into(), Cell::Text("c\\".to_owned())]);
        report.row("long subject", vec![Some(100.0).into(), Cell::Missing]);
        report.left_out("c", "no way");
        report
    }

    #[test]
    fn lines_of_json_can_be_read() {
        let lines: Vec<serde_json::Value> =
            report().json_lines().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], serde_json::json!({"mode": "hot", "subject": "a \"b\"\n", "ns": 1.25, "who": "c\\"}));
        assert_eq!(lines[1], serde_json::json!({"mode": "hot", "subject": "long subject", "ns": 100, "who": null}));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn tables_line_up() {
        let mut report = Report::new("short", "Requests.", vec![Column::new("n", "n", 0)]);
        report.row("aliri", vec![1.0.into()]);
        report.left_out("é", "it has no cache");
        report.target("requests", 1.0, "request", 1.0);
        let table = "### short\n\nRequests.\n\n\
            | subject |   n |\n|---------|----:|\n| aliri   |   1 |\n| é       |   – |\n\n\
            - é: it has no cache.\n\n\
            | target   |   at most | measured |     |\n|----------|----------:|---------:|----:|\n| requests | 1 request |        1 | met |\n";
        assert_eq!(report.markdown(), table);
    }

    #[test]
    fn the_worst_target_decides() {
        let mut report = report();
        assert_eq!(report.verdict(), Verdict::Met);
        for (figure, verdict) in
            [(2.0, Verdict::Met), (2.1, Verdict::Missed), (f64::NAN, Verdict::NotMeasured), (0.0, Verdict::NotMeasured)]
        {
            report.target("x", 2.0, "ns", figure);
            assert_eq!(report.verdict(), verdict);
        }
        assert_eq!(Verdict::NotMeasured.exit_status(), 2);
        assert!(report.target_lines().contains("x: 2.1 (at most 2 ns): **missed**"));
    }

    #[test]
    fn what_is_no_number_is_missing() {
        assert_eq!(Cell::from(f64::NAN), Cell::Missing);
        assert_eq!(Cell::from(None), Cell::Missing);
    }
}
