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
}

variable "scope_claim" {
  type    = string
  default = ""
}

variable "requests_per_second" {
  type    = number
  default = 10
}

variable "request_burst" {
  type    = number
  default = 20
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
  default = "rules"
}

variable "max_event_age" {
  type    = string
  default = "1h"
}

variable "retention" {
  type    = string
  default = "30d"
}

variable "delivery_target_arns" {
  type    = list(string)
  default = []
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
}

variable "secrets_lifetime" {
  type    = string
  default = "5m"
}

variable "architecture" {
  type    = string
  default = "arm64"
}

variable "target_timeout" {
  description = "Limit of one attempt in seconds: 60, 120, 300 or 900."
  type        = number
  default     = 120
}

variable "queue_concurrency" {
  type    = number
  default = 50
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
