{{/* Names and labels. */}}

{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "gateway.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ .Values.mode }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "gateway.metadata" -}}
{{- /* [root, suffix]: name, namespace and labels of an object. */ -}}
{{- $root := index . 0 -}}
name: {{ include "gateway.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "gateway.labels" $root | nindent 2 }}
{{- end -}}

{{- define "gateway.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}{{ with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gateway.settingsName" -}}
{{- default (printf "%s-settings" (include "gateway.fullname" .)) .Values.existingSettings -}}
{{- end -}}

{{- define "gateway.policiesName" -}}
{{- default (printf "%s-policies" (include "gateway.fullname" .)) .Values.existingPolicies -}}
{{- end -}}

{{- define "gateway.controlService" -}}
{{- /* "true" or nothing: whether the control port has a Service. */ -}}
{{- if ne .Values.mode "sidecar" -}}
{{- if kindIs "invalid" .Values.control.service.enabled -}}
{{- if eq .Values.mode "central" }}true{{ end -}}
{{- else if .Values.control.service.enabled -}}true
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gateway.severalReplicas" -}}
{{- if .Values.autoscaling.enabled -}}true
{{- else if gt (int .Values.replicas) 1 -}}true
{{- end -}}
{{- end -}}

{{- define "gateway.paths" -}}
{{- /* [root, paths as given]: the paths that are routed, as JSON. */ -}}
{{- $root := index . 0 -}}
{{- default (ternary (list "/s/") (list "/") (eq $root.Values.mode "links")) (index . 1) | toJson -}}
{{- end -}}
