# The parameters of ../template.yaml, with its names in Terraform's spelling. The template describes each.

variable "authorizer" {
  description = "IAM or JWT. No default: an open API is not possible."
  type        = string
  validation {
    condition     = contains(["IAM", "JWT"], var.authorizer)
    error_message = "authorizer is IAM or JWT."
  }
}

variable "jwt_issuer" {
  type    = string
  default = ""
  validation {
    condition     = can(regex("^(https://.+)?$", var.jwt_issuer))
    error_message = "jwt_issuer is an https:// URL."
  }
}

variable "jwt_audience" {
  type    = list(string)
  default = []
}

variable "jwt_scopes" {
  type    = list(string)
  default = []
}

variable "owner_claim" {
  type    = string
  default = ""
  validation {
    condition     = can(regex("^[!-~]{0,128}$", var.owner_claim))
    error_message = "owner_claim is the name of a claim."
  }
}

variable "scope_claim" {
  type    = string
  default = ""
  validation {
    condition     = can(regex("^[!-~]{0,128}$", var.scope_claim))
    error_message = "scope_claim is the name of a claim."
  }
}

variable "requests_per_second" {
  type    = number
  default = 10
  validation {
    condition     = var.requests_per_second >= 1
    error_message = "requests_per_second is at least 1."
  }
}

variable "request_burst" {
  type    = number
  default = 20
  validation {
    condition     = var.request_burst >= 1
    error_message = "request_burst is at least 1."
  }
}

variable "prefix" {
  type    = string
  default = "postdate-"
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,20}$", var.prefix))
    error_message = "prefix is 1 to 20 of A-Z a-z 0-9 _ -"
  }
}

variable "scheduler" {
  type    = string
  default = "auto"
  validation {
    condition     = contains(["auto", "rules", "scheduler"], var.scheduler)
    error_message = "scheduler is auto, rules or scheduler."
  }
}

variable "max_event_age" {
  type    = string
  default = "1h"
  validation {
    condition     = can(regex("^[0-9]+[smh]$", var.max_event_age))
    error_message = "max_event_age is 60s to 24h."
  }
}

variable "retention" {
  type    = string
  default = "30d"
  validation {
    condition     = can(regex("^[0-9]+[smhd]$", var.retention))
    error_message = "retention is a duration such as 30d."
  }
}

variable "delivery_target_arns" {
  type    = list(string)
  default = []
  validation {
    condition     = alltrue([for one in var.delivery_target_arns : can(regex("^(arn:aws[a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:.+)?$", one))])
    error_message = "delivery_target_arns are ARNs, with * and ? after the service only, such as arn:aws:sqs:*:*:*"
  }
}

variable "hosts" {
  type    = string
  default = ""
}

variable "host_queue_arns" {
  type    = list(string)
  default = []
}

variable "secrets" {
  type    = string
  default = "ssm"
  validation {
    condition     = contains(["env", "ssm", "secretsmanager"], var.secrets)
    error_message = "secrets is env, ssm or secretsmanager."
  }
}

variable "secrets_key_arn" {
  type    = string
  default = ""
  validation {
    condition     = can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$", var.secrets_key_arn))
    error_message = "secrets_key_arn is the ARN of a KMS key, or empty."
  }
}

variable "secrets_lifetime" {
  type    = string
  default = "5m"
  validation {
    condition     = can(regex("^[0-9]+[smh]$", var.secrets_lifetime))
    error_message = "secrets_lifetime is 1s to 24h."
  }
}

variable "kms_key_arn" {
  type    = string
  default = ""
  validation {
    condition     = can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key, or empty."
  }
}

variable "architecture" {
  type    = string
  default = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "target_timeout" {
  type    = number
  default = 120
  validation {
    condition     = contains([60, 120, 300, 900], var.target_timeout)
    error_message = "target_timeout is 60, 120, 300 or 900 (seconds)."
  }
}

variable "target_memory" {
  type    = number
  default = 512
  validation {
    condition     = var.target_memory >= 512 && var.target_memory <= 10240
    error_message = "target_memory is 512 to 10240 (MB)."
  }
}

variable "queue_concurrency" {
  type    = number
  default = 50
  validation {
    condition     = var.queue_concurrency >= 2 && var.queue_concurrency <= 1000
    error_message = "queue_concurrency is 2 to 1000."
  }
}

variable "use_case_layer_arn" {
  type    = string
  default = ""
}

variable "allow_egress" {
  type    = string
  default = "public"
}

variable "prefetch_use_cases" {
  type    = string
  default = ""
}

variable "trusted_keys" {
  type    = string
  default = ""
}

variable "log_filter" {
  type    = string
  default = "info"
}

variable "log_retention_days" {
  type    = number
  default = 30
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_retention_days)
    error_message = "log_retention_days is 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365."
  }
}

variable "alarm_email" {
  type    = string
  default = ""
}

variable "rule_alarm_threshold" {
  type    = number
  default = 240
}

variable "lateness_alarm_milliseconds" {
  type    = number
  default = 5000
}

variable "held_up_alarm_milliseconds" {
  type    = number
  default = 3600000
}
