# The deployment of ../template.yaml for Terraform. The roles' statements are read from ../policies. The dashboard, the descriptions of the
# alarms and the format of the access log are read from the template. Tests compare resources and their attributes, parameters with
# defaults and limits, variables of the functions, indexes, queues, encryption, alarms, policies, and the conditions of the roles'
# statements with the template.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.80" }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  # Not the alias itself, which would be a circle: the target's own environment has this ARN, too.
  target_arn       = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.prefix}target:live"
  rules_arn        = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.prefix}*"
  is_jwt           = var.authorizer == "JWT"
  has_secrets_key  = var.secrets_key_arn != ""
  has_kms_key      = var.kms_key_arn != ""
  kms_key          = local.has_kms_key ? var.kms_key_arn : null # null: a key that AWS owns
  only_tls         = { Bool = { "aws:SecureTransport" = "false" } }
  queue_visibility = 6 * var.target_timeout
  template         = file("${path.module}/../template.yaml")
}

# ---- State. Table, bucket, dead letters and schedules survive `terraform destroy` only if they are removed from the state first.

resource "aws_dynamodb_table" "table" {
  name         = "${var.prefix}requests"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"
  dynamic "attribute" {
    for_each = { pk = "S", sk = "S", list = "S", at = "S", open = "S", wake = "S", pin = "S" }
    content {
      name = attribute.key
      type = attribute.value
    }
  }
  global_secondary_index {
    name            = "lists"
    hash_key        = "list"
    range_key       = "at"
    projection_type = "INCLUDE"
    non_key_attributes = [
      "use_case", "version", "target", "status", "received_at", "trigger_at", "due_at", "attempts", "finished_at", "reason", "waits_for",
      "waits_since", "owner", "expires", "labels", "erased_at",
    ]
  }
  global_secondary_index {
    name            = "open"
    hash_key        = "open"
    range_key       = "wake"
    projection_type = "KEYS_ONLY"
  }
  global_secondary_index {
    name            = "pinned"
    hash_key        = "pin"
    projection_type = "KEYS_ONLY"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  point_in_time_recovery {
    enabled = true
  }
  dynamic "server_side_encryption" {
    for_each = local.has_kms_key ? [local.kms_key] : []
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket" "use_cases" {
  bucket_prefix = "postdate-"
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "use_cases" {
  bucket = aws_s3_bucket.use_cases.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = local.has_kms_key ? "aws:kms" : "AES256"
      kms_master_key_id = local.kms_key
    }
    bucket_key_enabled = local.has_kms_key ? true : null
  }
}

resource "aws_s3_bucket_ownership_controls" "use_cases" {
  bucket = aws_s3_bucket.use_cases.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "use_cases" {
  bucket                  = aws_s3_bucket.use_cases.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "use_cases" {
  bucket = aws_s3_bucket.use_cases.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "use_cases" {
  bucket = aws_s3_bucket.use_cases.id
  # Current objects never expire: a request runs the bundle version that validated it.
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }
  rule {
    id     = "broken-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "use_cases" {
  bucket = aws_s3_bucket.use_cases.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.use_cases.arn, "${aws_s3_bucket.use_cases.arn}/*"]
      Condition = local.only_tls
    }]
  })
}

resource "aws_sqs_queue" "delay_queue" {
  name                       = "${var.prefix}delay"
  sqs_managed_sse_enabled    = local.has_kms_key ? null : true # the provider refuses both, also with false
  kms_master_key_id          = local.kms_key
  visibility_timeout_seconds = local.queue_visibility
  message_retention_seconds  = 1209600
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 5 })
}

resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.prefix}dead-letters"
  sqs_managed_sse_enabled    = local.has_kms_key ? null : true # the provider refuses both, also with false
  kms_master_key_id          = local.kms_key
  visibility_timeout_seconds = 60
  message_retention_seconds  = 1209600
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_sqs_queue_policy" "delay_queue" {
  queue_url = aws_sqs_queue.delay_queue.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.delay_queue.arn
      Condition = local.only_tls
    }]
  })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RulesOfThePrefix"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.dead_letters.arn
        Condition = { ArnLike = { "aws:SourceArn" = local.rules_arn } }
      },
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.dead_letters.arn
        Condition = local.only_tls
      },
    ]
  })
}

resource "aws_sns_topic" "notifications" {
  name              = "${var.prefix}notifications"
  kms_master_key_id = local.kms_key
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.prefix}alarms"
  kms_master_key_id = local.kms_key
}

resource "aws_sns_topic_subscription" "alarm_email" {
  count     = var.alarm_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_policy" "notifications" {
  arn = aws_sns_topic.notifications.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.notifications.arn
      Condition = local.only_tls
    }]
  })
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = {
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*" }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })
}

resource "aws_scheduler_schedule_group" "schedule_group" {
  name = "${var.prefix}requests"
  lifecycle {
    prevent_destroy = true
  }
}
