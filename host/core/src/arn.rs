//! Amazon Resource Names.

/// The parts of `arn:{partition}:{service}:{region}:{account}:{resource}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    /// Empty for services without regions, such as IAM.
    pub region: &'a str,
    pub account: &'a str,
    /// May hold colons: `function:NAME:ALIAS`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Returns the parts. `None` unless there are six, the partition is one of AWS's, and service and resource are not empty.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else { return None };
        let arn = Self { partition, service, region, account, resource };
        (partition.starts_with("aws") && !service.is_empty() && !resource.is_empty()).then_some(arn)
    }

    /// Returns the URL by which SQS's API knows a queue. `None` for the ARN of anything else.
    pub fn queue_url(self) -> Option<String> {
        let Self { partition, service: "sqs", region, account, resource } = self else { return None };
        // Each partition has a domain of its own.
        let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        Some(format!("https://sqs.{region}.{domain}/{account}/{resource}"))
    }
}

/// Returns whether an ARN has the form of a pattern, as IAM's `ArnLike` compares them: part by part, where `*` stands for any characters
/// and `?` for one.
pub fn is_like(arn: &str, pattern: &str) -> bool {
    let (parts, patterns): (Vec<&str>, Vec<&str>) = (arn.splitn(6, ':').collect(), pattern.splitn(6, ':').collect());
    let fits = |(part, pattern): (&&str, &&str)| is_glob(part.as_bytes(), pattern.as_bytes());
    parts.len() == 6 && patterns.len() == 6 && parts.iter().zip(&patterns).all(fits)
}

/// Compares byte by byte; goes back to the last `*` where a byte does not fit, so that no pattern takes exponential time.
fn is_glob(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((at, next));
                next += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at] => (at, next) = (at + 1, next + 1),
            _ => match &mut star {
                Some((from, place)) => {
                    *from += 1;
                    (at, next) = (*from, *place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[next..].iter().all(|byte| *byte == b'*')
}

/// Returns true for the name, ARN or URL of a FIFO queue or topic. AWS requires the ending `.fifo` and reserves it for them.
pub fn is_fifo(name: &str) -> bool {
    name.strip_suffix(".fifo").is_some()
}

#[cfg(test)]
mod tests;
