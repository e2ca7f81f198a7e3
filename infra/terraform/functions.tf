# The three functions, their roles, and what starts them.

locals {
  functions = {
    processor = { memory = 512, timeout = 29 }
    target    = { memory = var.target_memory, timeout = var.target_timeout }
    janitor   = { memory = 256, timeout = 240 }
  }

  # Each role, its document in ../policies, and who may assume it.
  assume_role = { Effect = "Allow", Action = "sts:AssumeRole" }
  of_lambda   = { Principal = { Service = "lambda.amazonaws.com" } }
  of_scheduler = {
    Principal = { Service = "scheduler.amazonaws.com" }
    Condition = {
      StringEquals = { "aws:SourceAccount" = local.account }
      ArnLike      = { "aws:SourceArn" = aws_scheduler_schedule_group.schedule_group.arn }
    }
  }
  roles = {
    processor = { document = "processor-execution-role", trust = local.of_lambda }
    target    = { document = "target-execution-role", trust = local.of_lambda }
    janitor   = { document = "janitor-execution-role", trust = local.of_lambda }
    scheduler = { document = "scheduler-role", trust = local.of_scheduler }
  }

  # Values of the placeholders of ../policies. A list fills a list: see `statements`.
  placeholders = {
    Region            = local.region
    AccountId         = local.account
    Prefix            = var.prefix
    Table             = aws_dynamodb_table.table.name
    Bucket            = aws_s3_bucket.use_cases.id
    DelayQueue        = aws_sqs_queue.delay_queue.name
    DeadLetters       = aws_sqs_queue.dead_letters.name
    Notifications     = aws_sns_topic.notifications.name
    ScheduleGroup     = aws_scheduler_schedule_group.schedule_group.name
    SchedulerRoleArn  = aws_iam_role.role["scheduler"].arn
    HostQueueArn      = join("\",\"", var.host_queue_arns)
    DeliveryTargetArn = join("\",\"", var.delivery_target_arns)
    SecretsKeyArn     = var.secrets_key_arn
    KmsKeyArn         = var.kms_key_arn
  }
  # Statements that this deployment does not need, as docs/aws.md names them.
  omitted = concat(
    length(var.host_queue_arns) > 0 ? [] : ["HostQueues"],
    length(var.delivery_target_arns) > 0 ? [] : ["DeliveryTargets", "DirectRuleTargets"],
    var.secrets == "ssm" ? [] : ["Parameters"],
    var.secrets == "secretsmanager" ? [] : ["Secrets"],
    local.has_secrets_key ? [] : ["SecretsKey"],
    local.has_kms_key ? [] : ["Key"],
  )
  documents = { for name in [for role in local.roles : role.document] :
    name => jsondecode(replace(templatefile("${path.module}/../policies/${name}.json", local.placeholders), "arn:aws:", "arn:${local.partition}:"))
  }
  policies = { for name, document in local.documents :
    name => jsonencode({
      Version   = document.Version
      Statement = [for statement in document.Statement : statement if !contains(local.omitted, statement.Sid)]
    })
  }

  optional = {
    POSTDATE_TRUSTED_KEYS     = var.trusted_keys
    POSTDATE_PREFETCH         = var.prefetch_use_cases
    POSTDATE_HOSTS            = var.hosts
    POSTDATE_DELIVERY_TARGETS = join(",", var.delivery_target_arns)
    POSTDATE_OWNER_CLAIM      = var.owner_claim
    POSTDATE_SCOPE_CLAIM      = var.scope_claim
  }
  environment = merge({
    POSTDATE_TABLE            = aws_dynamodb_table.table.name
    POSTDATE_USE_CASES        = var.use_case_layer_arn == "" ? "s3://${aws_s3_bucket.use_cases.id}/use-cases" : "/opt/use-cases"
    POSTDATE_ALLOW_EGRESS     = var.allow_egress
    POSTDATE_SECRETS          = var.secrets == "env" ? "env" : var.secrets == "ssm" ? "ssm:/${var.prefix}secrets/" : "secretsmanager:${var.prefix}secrets/"
    POSTDATE_SECRETS_LIFETIME = var.secrets_lifetime
    POSTDATE_TARGET_ARN       = local.target_arn
    POSTDATE_QUEUE_URL        = aws_sqs_queue.delay_queue.id
    POSTDATE_SCHEDULER        = var.scheduler
    POSTDATE_PREFIX           = var.prefix
    POSTDATE_DEAD_LETTER_ARN  = aws_sqs_queue.dead_letters.arn
    POSTDATE_MAX_EVENT_AGE    = var.max_event_age
    POSTDATE_RETENTION        = var.retention
    POSTDATE_LOG              = var.log_filter
    # In every mode: a deployment may change its mode while requests wait for their schedules.
    POSTDATE_SCHEDULE_GROUP     = aws_scheduler_schedule_group.schedule_group.name
    POSTDATE_SCHEDULER_ROLE_ARN = aws_iam_role.role["scheduler"].arn
  }, { for name, value in local.optional : name => value if value != "" })
}

resource "aws_iam_role" "role" {
  for_each           = local.roles
  name               = "${var.prefix}${each.key}"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [merge(local.assume_role, each.value.trust)] })
}

resource "aws_iam_role_policy" "role" {
  for_each = local.roles
  name     = "postdate"
  role     = aws_iam_role.role[each.key].id
  policy   = local.policies[each.value.document]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${var.prefix}${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_key
}

resource "aws_lambda_function" "function" {
  for_each         = local.functions
  function_name    = "${var.prefix}${each.key}"
  role             = aws_iam_role.role[each.key].arn
  filename         = "${path.module}/../../target/lambda/${each.key}.zip"
  source_code_hash = filebase64sha256("${path.module}/../../target/lambda/${each.key}.zip")
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = each.value.memory
  timeout          = each.value.timeout
  publish          = true
  layers           = var.use_case_layer_arn == "" ? [] : [var.use_case_layer_arn]
  tracing_config {
    mode = "Active"
  }
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }
  environment {
    variables = merge(local.environment, each.key == "processor" ? {} : { POSTDATE_TOPIC_ARN = aws_sns_topic.notifications.arn })
  }
  depends_on = [aws_iam_role_policy.role]
}

resource "aws_lambda_alias" "live" {
  for_each         = local.functions
  name             = "live"
  function_name    = aws_lambda_function.function[each.key].function_name
  function_version = aws_lambda_function.function[each.key].version
}

# The target sends to the queue that invokes it. By default, Lambda ends such a chain after about 16 invocations: see the template.
resource "aws_lambda_function_recursion_config" "target" {
  function_name  = aws_lambda_function.function["target"].function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_function_event_invoke_config" "target" {
  function_name                = aws_lambda_alias.live["target"].function_name
  qualifier                    = aws_lambda_alias.live["target"].name
  maximum_event_age_in_seconds = 3600
  maximum_retry_attempts       = 2
  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "janitor" {
  function_name                = aws_lambda_alias.live["janitor"].function_name
  qualifier                    = aws_lambda_alias.live["janitor"].name
  maximum_event_age_in_seconds = 240
  maximum_retry_attempts       = 0
}

resource "aws_lambda_event_source_mapping" "delay_queue" {
  event_source_arn        = aws_sqs_queue.delay_queue.arn
  function_name           = aws_lambda_alias.live["target"].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = var.queue_concurrency
  }
}

resource "aws_lambda_permission" "target" {
  function_name = aws_lambda_alias.live["target"].function_name
  qualifier     = aws_lambda_alias.live["target"].name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = local.rules_arn
}

# The name must not begin with the prefix: rules with the prefix belong to requests.
resource "aws_cloudwatch_event_rule" "clock" {
  name                = "clock-of-${var.prefix}janitor"
  schedule_expression = "rate(5 minutes)"
}

resource "aws_cloudwatch_event_target" "clock" {
  rule = aws_cloudwatch_event_rule.clock.name
  arn  = aws_lambda_alias.live["janitor"].arn
}

resource "aws_lambda_permission" "clock" {
  function_name = aws_lambda_alias.live["janitor"].function_name
  qualifier     = aws_lambda_alias.live["janitor"].name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.clock.arn
}
