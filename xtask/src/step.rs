//! Running a command and saying which one failed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Why a command of ours did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It looked, and found something.
    Found(String),
    /// It could not be carried out.
    Trouble(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Trouble(message)
    }
}

/// Prints a line.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::step::print(&format!("{}\n", format_args!($($words)*)))
    };
}
pub(crate) use say;

/// Prints a text, in colours if somebody sees them.
pub(crate) fn print(text: &str) {
    // Whoever reads this may have stopped reading, as `head` does; that is no fault.
    drop(anstream::stdout().write_all(text.as_bytes()));
}

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// Works on the workspace in `root` instead of the one that this program was built in.
pub(crate) fn set_root(root: Option<PathBuf>) -> Result<(), String> {
    let Some(root) = root else { return Ok(()) };
    let root = root.canonicalize().map_err(|error| format!("cannot use `{}` as the root: {error}", root.display()))?;
    ROOT.set(root).map_err(|_| "the root is set already".to_owned())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    ROOT.get().cloned().unwrap_or_else(own)
}
/// `cargo` as it runs this program, with `arguments`, in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed with {status}", shown(command))) }
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` failed with {}\n{stderr}", shown(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` printed something that is not UTF-8", shown(command)))
}

/// The command as a person would type it, without the folder of the program.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}
