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

/// Returns true for the name, ARN or URL of a FIFO queue or topic. AWS requires the ending `.fifo` and reserves it for them.
pub fn is_fifo(name: &str) -> bool {
    name.strip_suffix(".fifo").is_some()
}

#[cfg(test)]
mod tests;
