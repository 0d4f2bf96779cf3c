import { useSignal } from '@preact/signals'

/** A form that is sent once at a time, and says in its own place what went wrong. */
export function useForm({ send, say }: { send: () => Promise<void>; say: (thrown: unknown) => string }) {
  const isBusy = useSignal(false)
  const fault = useSignal<string | undefined>(undefined)

  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    if (isBusy.value) return
    isBusy.value = true
    fault.value = undefined
    try {
      await send()
    } catch (thrown) {
      fault.value = say(thrown)
    } finally {
      isBusy.value = false
    }
  }

  return { submit, isBusy, fault }
}
