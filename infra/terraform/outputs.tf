output "api_url" {
  value = aws_apigatewayv2_api.api.api_endpoint
}

output "use_cases_url" {
  value = "s3://${aws_s3_bucket.use_cases.id}/use-cases"
}

output "table_name" {
  value = aws_dynamodb_table.table.name
}

output "target_arn" {
  value = aws_lambda_alias.live["target"].arn
}

output "delay_queue_url" {
  value = aws_sqs_queue.delay_queue.id
}

output "dead_letters_url" {
  value = aws_sqs_queue.dead_letters.id
}

output "notifications_arn" {
  value = aws_sns_topic.notifications.arn
}

output "alarms_arn" {
  value = aws_sns_topic.alarms.arn
}
