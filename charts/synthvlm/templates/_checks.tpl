{{/* What a schema cannot see. Each line fails with what is wrong and how to mend it. */}}

{{- define "synthvlm.checks" -}}
{{- $values := .Values -}}
{{- include "synthvlm.removed" . -}}
{{- $scaled := list -}}
{{- $keda := false -}}
{{- $services := dict }}{{ include "synthvlm.services" (dict "root" . "into" $services) -}}
{{- range $name, $c := $services -}}
  {{- if eq $c.autoscaling.kind "keda" }}{{ $keda = true }}{{ end -}}
  {{- if or (gt (int $c.replicas) 1) (ne $c.autoscaling.kind "none") }}{{ $scaled = append $scaled $name }}{{ end -}}
{{- end -}}
{{- range $place, $own := dict "services.generation" $values.services.generation "triton" $values.triton -}}
  {{- $wait := dig "config" "tensorrt" "wait_seconds" 0 $own -}}
  {{- if ge (int $wait) (int (dig "startupSeconds" $values.defaults.startupSeconds $own)) -}}
    {{- fail (printf "%s.startupSeconds: a pod that waits %v seconds for its engines (config.tensorrt.wait_seconds) would be restarted before; give more" $place $wait) -}}
  {{- end -}}
{{- end -}}
{{- $review := mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.services.review) -}}
{{- if and $review.enabled (ne (int $review.webPort) 0) (not $values.auth.tokenSecret) (not $review.config.people_file) (not (dig "web" "oidc_issuer" "" $review.config)) -}}
  {{- fail "services.review: whoever reaches its page would be an owner; give auth.tokenSecret, services.review.config.people_file or services.review.config.web.oidc_issuer" -}}
{{- end -}}
{{- range list "dataset" "review" -}}
{{- if and (has . $scaled) (hasPrefix "sqlite" $values.catalogue.database) -}}
  {{- fail (printf "catalogue.database: SQLite serves one replica of %s; give postgresql://USER@HOST:PORT/NAME, or set services.%s.replicas to 1 and its autoscaling.kind to none" . .) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "file:" $values.store.uri) (not $values.store.claim.enabled) -}}
  {{- fail "store.uri: a store in files needs store.claim.enabled; or give s3://bucket/prefix, gs://… or az://…" -}}
{{- end -}}
{{- if and $values.tls.enabled (not $values.tls.issuer.name) (not $values.tls.existingSecret) -}}
  {{- fail "tls.enabled: give tls.issuer.name, for certificates by cert-manager, or tls.existingSecret" -}}
{{- end -}}
{{- if and $values.auth.oidc.issuer (not $values.auth.oidc.audience) -}}
  {{- fail "auth.oidc.audience: say which tokens are meant for these services; those for others must not open them" -}}
{{- end -}}
{{- if and $values.pipelines.podDefault (or $values.auth.tokenSecret (not $values.auth.kubernetes.audience)) -}}
  {{- fail "pipelines.podDefault: it mounts tokens for auth.kubernetes.audience, so give that, and no auth.tokenSecret" -}}
{{- end -}}
{{- if and $keda (not $values.monitoring.prometheusAddress) -}}
  {{- fail "autoscaling.kind: keda asks Prometheus; give monitoring.prometheusAddress, for example http://prometheus-operated.monitoring:9090" -}}
{{- end -}}
{{- if and $values.engines.enabled (not $values.engines.products) -}}
  {{- fail "engines.products: name the GPU products to build for, as the label nvidia.com/gpu.product has them" -}}
{{- end -}}
{{- $sources := dict "none" "none" "claim" $values.weights.claim "image" $values.weights.image
  "download" (or $values.weights.download.sources (and $values.weights.download.image $values.weights.download.command)) -}}
{{- if not (get $sources $values.weights.source) -}}
  {{- fail (printf "weights.%s: say where the weights come from, as weights.source is %s" $values.weights.source $values.weights.source) -}}
{{- end -}}
{{- range $source := $values.weights.download.sources -}}
  {{- if and (not (hasPrefix "hf:" $source.from)) (not $source.digest) -}}
    {{- fail (printf "weights.download.sources: give the digest of %s, which `synthvlm weights fetch` printed" $source.from) -}}
  {{- end -}}
{{- end -}}
{{- if and $values.weights.download.sources $values.weights.download.command -}}
  {{- fail "weights.download: give sources or a command of yours, not both" -}}
{{- end -}}
{{- if and (eq $values.exposure.kind "gateway") (not $values.exposure.parentRefs) -}}
  {{- fail "exposure.parentRefs: name the Gateway that routes attach to" -}}
{{- end -}}
{{- if and (eq $values.exposure.kind "gateway") $values.exposure.grpc $values.tls.enabled (not $values.exposure.authority) -}}
  {{- fail "exposure.authority: name the ConfigMap whose ca.crt tells the Gateway the services' certificates; it would speak plain text to them" -}}
{{- end -}}
{{- if and (eq $values.weights.source "image") (semverCompare "<1.35-0" .Capabilities.KubeVersion.Version) -}}
  {{- fail (printf "weights.source: image volumes need Kubernetes 1.35 or newer, this is %s; use claim or download" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- $gateway := eq $values.exposure.kind "gateway" -}}
{{- $tls := and $values.tls.enabled $values.tls.issuer.name -}}
{{- range $needed := list
  (list $tls "cert-manager.io/v1/Certificate" "cert-manager" "give tls.existingSecret and no tls.issuer.name")
  (list $keda "keda.sh/v1alpha1/ScaledObject" "KEDA" "set autoscaling.kind to hpa or none")
  (list $values.monitoring.serviceMonitor "monitoring.coreos.com/v1/ServiceMonitor" "the Prometheus operator" "set monitoring.serviceMonitor to false")
  (list $values.monitoring.alerts "monitoring.coreos.com/v1/PrometheusRule" "the Prometheus operator" "set monitoring.alerts to false")
  (list (and $values.kueue.enabled $values.kueue.create) "kueue.x-k8s.io/v1beta2/ClusterQueue" "Kueue" "set kueue.enabled to false")
  (list (and $values.training.enabled (eq $values.training.kind "TrainJob")) "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime" "Kubeflow Trainer 2.2 or newer" "set training.kind to PyTorchJob for Trainer 1, or training.enabled to false")
  (list (and $values.training.enabled (eq $values.training.kind "PyTorchJob")) "kubeflow.org/v1/PyTorchJob" "Kubeflow Trainer 1" "set training.kind to TrainJob, or training.enabled to false")
  (list $values.pipelines.podDefault "kubeflow.org/v1alpha1/PodDefault" "Kubeflow's admission webhook" "set pipelines.podDefault to false")
  (list $gateway "gateway.networking.k8s.io/v1/HTTPRoute" "the Gateway API" "set exposure.kind to ingress or none")
  (list (and $gateway $values.exposure.grpc $values.tls.enabled) "gateway.networking.k8s.io/v1/BackendTLSPolicy" "the Gateway API 1.4 or newer" "set exposure.grpc to false")
  (list (and $gateway $values.exposure.envoyTimeout) "gateway.envoyproxy.io/v1alpha1/BackendTrafficPolicy" "Envoy Gateway" "leave exposure.envoyTimeout empty")
-}}
  {{- $api := index $needed 1 -}}
  {{- if and (first $needed) (not ($.Capabilities.APIVersions.Has $api)) -}}
    {{- fail (printf "the cluster does not serve %s: install %s first, or %s (`helm template` without a cluster: --api-versions %s)" $api (index $needed 2) (last $needed) $api) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Values that are no more: files/removed.yaml has the path of each, and what to write instead. */}}
{{- define "synthvlm.removed" -}}
{{- range $removed := .Files.Get "files/removed.yaml" | fromYamlArray -}}
  {{- $here := $.Values -}}
  {{- $found := true -}}
  {{- range $step := splitList "." $removed.key -}}
    {{- if and $found (kindIs "map" $here) (hasKey $here $step) }}{{ $here = get $here $step }}{{ else }}{{ $found = false }}{{ end -}}
  {{- end -}}
  {{- if $found }}{{ fail (printf "%s is not a value any more: %s" $removed.key $removed.instead) }}{{ end -}}
{{- end -}}
{{- end -}}
