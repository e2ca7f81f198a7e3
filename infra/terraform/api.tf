# The API: one route for all paths, /health included, behind the authorizer.

resource "aws_apigatewayv2_api" "api" {
  name          = "${var.prefix}api"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count            = local.is_jwt ? 1 : 0
  api_id           = aws_apigatewayv2_api.api.id
  authorizer_type  = "JWT"
  name             = "jwt"
  identity_sources = ["$request.header.Authorization"]
  jwt_configuration {
    issuer   = var.jwt_issuer
    audience = var.jwt_audience
  }
  lifecycle {
    precondition {
      condition     = var.jwt_issuer != "" && length(var.jwt_audience) > 0
      error_message = "authorizer = JWT needs jwt_issuer and jwt_audience."
    }
  }
}

resource "aws_apigatewayv2_integration" "integration" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live["processor"].arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_route" "route" {
  api_id               = aws_apigatewayv2_api.api.id
  route_key            = "$default"
  target               = "integrations/${aws_apigatewayv2_integration.integration.id}"
  authorization_type   = local.is_jwt ? "JWT" : "AWS_IAM"
  authorizer_id        = local.is_jwt ? aws_apigatewayv2_authorizer.jwt[0].id : null
  authorization_scopes = local.is_jwt && length(var.jwt_scopes) > 0 ? var.jwt_scopes : null
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/vendedlogs/${var.prefix}api"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_key
}

resource "aws_apigatewayv2_stage" "stage" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true
  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.request_burst
  }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format          = trimspace(regex("(?m)^        Format: >-\\n(.*)$", local.template)[0])
  }
}

resource "aws_lambda_permission" "processor" {
  function_name = aws_lambda_alias.live["processor"].function_name
  qualifier     = aws_lambda_alias.live["processor"].name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*"
}
