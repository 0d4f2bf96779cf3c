/** What went wrong, and the button. The place of the fault is always there, so that what appears in it is read out. */
export function FormEnd({ fault, isBusy, does, doing }: { fault: string | undefined; isBusy: boolean; does: string; doing: string }) {
  return (
    <>
      <p class="form-fault" role="alert">
        {fault}
      </p>
      <button type="submit" class="button primary" disabled={isBusy}>
        {isBusy ? doing : does}
      </button>
    </>
  )
}
