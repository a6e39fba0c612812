//! Where and when something was measured.

use std::fs;

/// The machine, in words for a page: processors, their model, the system, and how busy it is.
pub fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let of_model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| model(&text))
        .map_or(String::new(), |model| format!(" ({model})"));
    let load = fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| load(&text))
        .map_or(String::new(), |load| format!(", load {load} before"));
    format!("{processors} processors{of_model}, {}{load}", std::env::consts::OS)
}

/// The model in Linux's `/proc/cpuinfo`.
fn model(text: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()))
}

/// What ran in the last minute, in Linux's `/proc/loadavg`.
fn load(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let text = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Some CPU: 3\nflags\t: fpu\n";
        assert_eq!(model(text).as_deref(), Some("Some CPU: 3"));
        assert_eq!(model("processor: 0"), None);
        assert_eq!(load("0.52 0.58 0.59 1/389 7261\n").as_deref(), Some("0.52"));
        assert!(machine().contains("processors"));
    }
}
