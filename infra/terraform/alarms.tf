# Alarms, and the dashboard. Missing data is good, except for the invocations of the janitor.

locals {
  of_function = { for name, function in aws_lambda_function.function : name => { FunctionName = function.function_name } }
  alarms = {
    ProcessorErrors = { namespace = "AWS/Lambda", metric = "Errors", dimensions = local.of_function["processor"] }
    TargetErrors    = { namespace = "AWS/Lambda", metric = "Errors", dimensions = local.of_function["target"] }
    JanitorErrors   = { namespace = "AWS/Lambda", metric = "Errors", dimensions = local.of_function["janitor"] }
    TargetThrottles = { namespace = "AWS/Lambda", metric = "Throttles", dimensions = local.of_function["target"] }
    JanitorStopped = {
      namespace = "AWS/Lambda", metric = "Invocations", dimensions = local.of_function["janitor"]
      periods   = 3, comparison = "LessThanThreshold", missing = "breaching"
    }
    ApiFailures     = { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = aws_apigatewayv2_api.api.id } }
    DeadLetterDepth = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", dimensions = { QueueName = aws_sqs_queue.dead_letters.name } }
    RulesNearQuota  = { namespace = "Postdate", metric = "Rules", statistic = "Maximum", dimensions = { Service = "janitor" }, threshold = var.rule_alarm_threshold }
    Late = {
      namespace = "Postdate", metric = "LatenessMs", extended = "p99", dimensions = { Service = "target" }
      periods   = 3, comparison = "GreaterThanThreshold", threshold = var.lateness_alarm_milliseconds
    }
    NotCompiled = { namespace = "Postdate", metric = "NotCompiled", dimensions = { Service = "target" } }
    Waiting = {
      namespace  = "Postdate", metric = "WaitedMs", statistic = "Maximum", dimensions = { Service = "target" }
      comparison = "GreaterThanThreshold", threshold = 600000
    }
    HeldUp = {
      namespace = "Postdate", metric = "HeldUpMs", statistic = "Maximum", dimensions = { Service = "target" }
      periods   = 2, datapoints = 1, comparison = "GreaterThanThreshold", threshold = var.held_up_alarm_milliseconds
    }
    CleanFailed   = { namespace = "Postdate", metric = "CleanFailed", dimensions = { Service = "janitor" } }
    NotMended     = { namespace = "Postdate", metric = "NotMended", dimensions = { Service = "janitor" }, periods = 12, datapoints = 1 }
    JanitorFaults = { namespace = "Postdate", metric = "Errors", dimensions = { Service = "janitor" }, periods = 3 }
  }
  # Without rules there is nothing to count.
  active_alarms = { for name, alarm in local.alarms : name => alarm if var.scheduler != "scheduler" || name != "RulesNearQuota" }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each                              = local.active_alarms
  alarm_name                            = "${var.prefix}${each.key}"
  alarm_description                     = regex("(?m)^  ${each.key}:\n    Type: AWS::CloudWatch::Alarm\n(?:    Condition: \\w+\n)?    Properties:\n      AlarmDescription: \"(.*)\"$", local.template)[0]
  namespace                             = each.value.namespace
  metric_name                           = each.value.metric
  dimensions                            = each.value.dimensions
  statistic                             = try(each.value.extended, null) == null ? try(each.value.statistic, "Sum") : null
  extended_statistic                    = try(each.value.extended, null)
  evaluate_low_sample_count_percentiles = try(each.value.extended, null) == null ? null : "evaluate"
  period                                = 300
  evaluation_periods                    = try(each.value.periods, 1)
  datapoints_to_alarm                   = try(each.value.datapoints, null)
  comparison_operator                   = try(each.value.comparison, "GreaterThanOrEqualToThreshold")
  threshold                             = try(each.value.threshold, 1)
  treat_missing_data                    = try(each.value.missing, "notBreaching")
  alarm_actions                         = [aws_sns_topic.alarms.arn]
  ok_actions                            = [aws_sns_topic.alarms.arn]
}

locals {
  # The lines of the template's DashboardBody, whose references are then resolved.
  dashboard = join("\n", [for line in split("\n", local.template) : trimspace(line) if can(regex("^        (\\{\"(widgets|type)\"|\\]\\})", line))])
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = "${var.prefix}overview"
  dashboard_body = replace(replace(replace(replace(replace(replace(local.dashboard,
    "$${AWS::Region}", local.region),
    "$${DelayQueue.QueueName}", aws_sqs_queue.delay_queue.name),
    "$${DeadLetters.QueueName}", aws_sqs_queue.dead_letters.name),
    "$${Processor}", aws_lambda_function.function["processor"].function_name),
    "$${Target}", aws_lambda_function.function["target"].function_name),
  "$${Janitor}", aws_lambda_function.function["janitor"].function_name)
}
